/** `fetch` for addresses that callers name: every address, each redirect's too, passes the guard first. */

import { NonRetryableError } from "../core/errors.ts";
import { assertPublicTarget, type OutboundPolicy } from "./guard.ts";

/** A request to an address that a caller named. */
export interface GuardedRequest {
  url: string;
  method: string;
  headers: Headers;
  body: string | null;
  followRedirects: boolean;
  policy: OutboundPolicy;
  signal: AbortSignal;
}

/** Redirects that are followed at most. */
const MAX_REDIRECTS = 10;

/** Not sent on to another origin: the caller trusted only the first one with them. */
const SECRET_HEADERS = ["authorization", "cookie"];

const BODY_HEADERS = ["content-type", "content-encoding", "content-language", "content-location"];

/** The answer, whatever its status. A refused address is a `NonRetryableError`; a connection that fails may be retried. */
export async function fetchGuarded(request: GuardedRequest): Promise<Response> {
  let { method, body } = request;
  let url = assertPublicTarget(request.url, request.policy);
  const headers = new Headers(request.headers);
  for (let hops = 0; ; hops++) {
    const response = await send(url, { method, headers, body, redirect: "manual", signal: request.signal });
    const target = request.followRedirects ? redirectTarget(response, url) : null;
    if (target === null) return response;
    await response.body?.cancel();
    if (hops === MAX_REDIRECTS) throw new NonRetryableError(`redirected more than ${MAX_REDIRECTS} times`);
    const next = assertPublicTarget(target, request.policy);
    if (next.origin !== url.origin) for (const name of SECRET_HEADERS) headers.delete(name);
    if (becomesGet(response.status, method)) {
      method = "GET";
      body = null;
      for (const name of BODY_HEADERS) headers.delete(name);
    }
    url = next;
  }
}

async function send(url: URL, init: RequestInit & { signal: AbortSignal }): Promise<Response> {
  try {
    return await fetch(url, init);
  } catch (error) {
    init.signal.throwIfAborted();
    throw new Error(`no answer from ${url.host}: ${error instanceof Error ? error.message : String(error)}`, {
      cause: error,
    });
  }
}

function redirectTarget(response: Response, from: URL): string | null {
  const location = response.headers.get("location");
  if (location === null || ![301, 302, 303, 307, 308].includes(response.status)) return null;
  return URL.canParse(location, from.href) ? new URL(location, from).href : location;
}

/** As browsers do: https://fetch.spec.whatwg.org/#http-redirect-fetch */
function becomesGet(status: number, method: string): boolean {
  if (status === 303) return method !== "GET" && method !== "HEAD";
  return (status === 301 || status === 302) && method === "POST";
}
