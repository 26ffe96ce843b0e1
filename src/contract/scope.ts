/** What a key may do. */

import { z } from "zod";

/** `admin` includes all of the others. */
export const SCOPES = ["submit", "read", "cancel", "admin"] as const;

export type Scope = (typeof SCOPES)[number];

export const scopeSchema = z.enum(SCOPES);
