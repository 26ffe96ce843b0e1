/** What a request is handled with. */

import type { Context, Hono } from "hono";
import type { RequestIdVariables } from "./request-id.ts";

type Bound = { Bindings: Env; Variables: RequestIdVariables };

export type AppContext = Context<Bound>;

export type App = Hono<Bound>;
