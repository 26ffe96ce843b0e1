/** The types of the app, and of the context that a request is handled with. */

import type { Context, Hono } from "hono";

type Bound = { Bindings: Env };

export type AppContext = Context<Bound>;

export type App = Hono<Bound>;
