/** Delivers one HTTP request and retries it until it is accepted, as Cloud Tasks and QStash do. */

import { z } from "zod";
import { defineTask } from "../../core/define-task.ts";
import { fetchGuarded } from "../../outbound/guarded-fetch.ts";
import { readText } from "../../outbound/read-body.ts";
import { requestHeaders, requestHeadersSchema } from "./request-headers.ts";
import { unexpectedStatus } from "../../outbound/unexpected-status.ts";

/** Bytes of an answer's body that are kept: a result is at most 1 MiB. */
const MAX_ANSWER_BYTES = 262_144;

/** Characters of an unexpected answer that the error shows. */
const MAX_EXCERPT = 2_000;

const input = z
  .strictObject({
    url: z.url({ protocol: /^https?$/, error: "must be an http or https URL" }).max(8_192),
    method: z
      .enum(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
      .optional()
      .describe("GET without a body and POST with one, unless given"),
    headers: requestHeadersSchema.default({}),
    body: z
      .unknown()
      .optional()
      .describe(
        "A string is sent as it is; any other value as JSON, as application/json unless the headers say otherwise",
      ),
    expect: z
      .array(z.int().min(200).max(599))
      .min(1)
      .max(100)
      .optional()
      .describe("Statuses that count as delivered; any 2xx unless given"),
    followRedirects: z.boolean().default(false),
  })
  .superRefine(({ method, body }, check) => {
    if (body !== undefined && (method === "GET" || method === "HEAD")) {
      check.addIssue({ code: "custom", path: ["body"], message: `${method} takes no body` });
    }
  });

/**
 * `http.request`: succeeds with the answer's status, headers and body (as text, with `truncated: true`
 * where it was cut at 256 KiB; decoded as its byte order mark or its `charset` says, where that is known, else as UTF-8).
 * 5xx, 408, 425, 429 and connections that fail are retried, after
 * `Retry-After` where the answer has one; any other status that is not expected, a redirect that is not
 * followed among them, and a target that is not public, fail at once.
 */
export const httpRequest = defineTask({
  name: "http.request",
  description: "Delivers one HTTP request to a public address, and retries it until it is taken.",
  input,
  output: z.object({
    status: z.int(),
    headers: z.record(z.string(), z.string()),
    body: z.string(),
    truncated: z.literal(true).optional().describe("Set where the body was cut, at 256 KiB"),
  }),
  secret: ["/headers/authorization", "/headers/proxy-authorization", "/headers/cookie"],
  run: async ({ url, method, headers, body, expect, followRedirects }, ctx) => {
    const isText = body === undefined || typeof body === "string";
    const response = await fetchGuarded({
      url,
      method: method ?? (body === undefined ? "GET" : "POST"),
      headers: requestHeaders(headers, isText ? null : "application/json", ctx),
      body: isText ? (body ?? null) : JSON.stringify(body),
      followRedirects,
      // Every caller who may submit chooses the target, so fixtures alone do not allow loopback.
      policy: { allowLoopback: ctx.env.ALLOW_LOOPBACK === "1" },
      signal: ctx.signal,
    });
    const { text, truncated } = await readText(response, MAX_ANSWER_BYTES, ctx.signal);
    const { status } = response;
    if (!(expect?.includes(status) ?? response.ok)) {
      throw unexpectedStatus(response, text.slice(0, MAX_EXCERPT), Date.now());
    }
    return { status, headers: headerRecord(response.headers), body: text, ...(truncated && { truncated }) };
  },
});

function headerRecord(headers: Headers): Record<string, string> {
  // No prototype: a server may call a header `constructor`.
  const record = Object.create(null) as Record<string, string>;
  // A header that is iterated several times, as Set-Cookie is, is joined like any other list.
  for (const [name, value] of headers) record[name] = name in record ? `${record[name]}, ${value}` : value;
  return record;
}
