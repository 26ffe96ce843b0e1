/** A name for each request, on its answer and in the logs. */

import type { MiddlewareHandler } from "hono";

/** A caller's own id is taken over where it can do no harm in a log. */
const VALID = /^[A-Za-z0-9_.:-]{1,64}$/;

export interface RequestIdVariables {
  requestId: string;
}

export const nameRequest: MiddlewareHandler<{ Variables: RequestIdVariables }> = async (c, next) => {
  const given = c.req.header("request-id");
  const id = given !== undefined && VALID.test(given) ? given : crypto.randomUUID();
  c.set("requestId", id);
  await next();
  c.res.headers.set("Request-Id", id);
};
