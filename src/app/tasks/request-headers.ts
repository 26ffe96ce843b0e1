/** The headers of a delivered request: the caller's own, less those that belong to the connection, plus ours. */

import { z } from "zod";
import type { TaskContext } from "../../core/task.ts";

const MAX_HEADERS = 100;
const MAX_VALUE = 8_192;

/** RFC 9110 §5.6.2. */
const TOKEN = /^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,200}$/;

/** RFC 9110 §5.5 without its obsolete parts: no line break can smuggle a second header in, and every receiver reads the same. */
const VALUE = /^[\t\x20-\x7e]*$/;

/** Headers that frame the message or control the connection: the runtime writes them, and a second value could contradict it. */
const CONNECTION_HEADERS = [
  "connection",
  "content-length",
  "expect",
  "host",
  "keep-alive",
  "proxy-authenticate",
  "proxy-authorization",
  "proxy-connection",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
];

/** A caller's headers, each refused by name where it may not be set. */
export const requestHeadersSchema = z.preprocess(
  refuseUnseenAndMany,
  z.record(z.string(), z.string().max(MAX_VALUE)).superRefine((headers, check) => {
    const refuse = (name: string, message: string) => check.addIssue({ code: "custom", path: [name], message });
    for (const [name, value] of Object.entries(headers)) {
      if (!TOKEN.test(name)) refuse(name, "not a header name");
      else if (CONNECTION_HEADERS.includes(name.toLowerCase()))
        refuse(name, "belongs to the connection and cannot be set");
      else if (name.toLowerCase().startsWith("lovage-")) refuse(name, "lovage-* headers are set by the service");
      else if (!VALUE.test(value)) refuse(name, "not a header value: visible ASCII, spaces and tabs only");
    }
  }),
);

/** Checked before the record's schema, which would drop a member called `__proto__` silently, and check any number of members. */
function refuseUnseenAndMany(headers: Record<string, string>, check: z.RefinementCtx): Record<string, string> {
  if (typeof headers !== "object" || headers === null || Array.isArray(headers)) return headers;
  if (Object.hasOwn(headers, "__proto__")) {
    check.addIssue({ code: "custom", path: ["__proto__"], message: "no header may have this name" });
  }
  if (Object.keys(headers).length > MAX_HEADERS) {
    check.addIssue({ code: "custom", message: `at most ${MAX_HEADERS} headers` });
  }
  return headers;
}

/**
 * The caller's headers and ours. `lovage-task-id` and `lovage-attempt` name the task and attempt; the same
 * `idempotency-key` for every attempt lets the receiver drop a repeated request. The caller's own
 * `idempotency-key`, `traceparent`, `user-agent` and `content-type` win.
 */
export function requestHeaders(
  own: Record<string, string>,
  contentType: string | null,
  ctx: Pick<TaskContext, "id" | "attempt" | "traceparent">,
): Headers {
  const headers = new Headers({ "user-agent": "lovage", "idempotency-key": ctx.id });
  if (ctx.traceparent !== null) headers.set("traceparent", ctx.traceparent);
  if (contentType !== null) headers.set("content-type", contentType);
  for (const [name, value] of Object.entries(own)) headers.set(name, value);
  headers.set("lovage-task-id", ctx.id);
  headers.set("lovage-attempt", String(ctx.attempt));
  return headers;
}
