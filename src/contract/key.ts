/** API keys: what an admin sends to create one, and what the API shows of it. */

import { z } from "zod";
import { SCOPES, scopeSchema } from "./scope.ts";
import { instantSchema } from "./submission.ts";

/** A tenant's name. Names with a colon are the system's own. */
export const tenantSchema = z
  .string()
  .regex(/^[a-z0-9][a-z0-9_-]{0,62}$/, "a tenant is named by 1 to 63 of a-z, 0-9, _ and -, not beginning with _ or -");

export const newKeySchema = z
  .strictObject({
    name: z.string().min(1).max(100),
    scopes: z.array(scopeSchema).min(1).max(SCOPES.length),
    tenant: tenantSchema.optional(),
    expiresAt: instantSchema.optional(),
    rateLimited: z.boolean().optional(),
  })
  .meta({ id: "NewKey" });

export type NewKey = z.input<typeof newKeySchema>;

export const keySchema = z
  .object({
    id: z.string(),
    name: z.string(),
    prefix: z.string(),
    tenant: z.string(),
    scopes: z.array(scopeSchema),
    rateLimited: z.boolean(),
    createdBy: z
      .string()
      .nullable()
      .describe(
        "The id of the key that made it; this key ends when that key ends. `deployment` for the service's own key, null where it was not kept",
      ),
    createdAt: z.iso.datetime(),
    expiresAt: z.iso.datetime().nullable(),
    revokedAt: z.iso.datetime().nullable(),
  })
  .meta({ id: "Key" });

export type KeyResource = z.output<typeof keySchema>;

/** Only the answer to its creation shows the key itself. */
export const createdKeySchema = keySchema.extend({ key: z.string() }).meta({ id: "CreatedKey" });

/** The key of the request itself. */
export const ownKeySchema = z
  .object({
    id: z.string().describe("As the audit log names it: `deployment` for the service's own key"),
    tenant: z.string(),
    scopes: z.array(scopeSchema),
    expiresAt: z.iso.datetime().nullable(),
  })
  .meta({ id: "OwnKey" });

export type OwnKey = z.output<typeof ownKeySchema>;

export type CreatedKey = z.output<typeof createdKeySchema>;

export const keyListSchema = z
  .object({ items: z.array(keySchema), nextCursor: z.string().nullable() })
  .meta({ id: "KeyList" });
