/** Lovage as a part of another Worker: which addresses are its own, and how it serves below a path. */

import type { WebNode } from "./app.ts";

/** The first part of every address of Lovage's own: the API, what describes it, and the pages with what they load. */
const OWN = new Set([
  "v1",
  "health",
  "metrics",
  "openapi.json",
  "problems",
  "problem.css",
  "docs",
  "dashboard",
  "assets",
]);

/** The headers that hold addresses of this service. */
const ADDRESSED = ["Location", "Link"];

/** The path without a slash at its end. Throws a `RangeError` for an invalid path. */
export function checkMount(path: string): string {
  const base = path.replace(/\/+$/, "");
  if (base !== "" && !/^(\/[\w.~-]+)+$/.test(base)) {
    throw new RangeError(`mount: ${JSON.stringify(path)} is no path such as "/jobs"`);
  }
  return base;
}

/** Whether Lovage answers at this address: below a path every address; at the root its own addresses and the application's routes. */
export function serves(web: WebNode, base: string, pathname: string): boolean {
  if (base !== "") return pathname === base || pathname.startsWith(`${base}/`);
  return OWN.has(pathname.split("/")[1] ?? "") || web.methodsAt(pathname).length > 0;
}

/** Answers the request as if it had come to the root, and puts the path before the addresses in the answer's headers. */
export async function mounted(
  base: string,
  request: Request,
  answer: (request: Request) => Response | Promise<Response>,
): Promise<Response> {
  const url = new URL(request.url);
  // Pages link to one another by relative addresses, which need the slash at the end.
  if (url.pathname === base && request.method === "GET") {
    return new Response(null, { status: 308, headers: { Location: `${base}/${url.search}` } });
  }
  url.pathname = url.pathname.slice(base.length) || "/";
  const response = await answer(new Request(url, request));
  if (!ADDRESSED.some((name) => response.headers.has(name))) return response;
  const moved = new Response(response.body, response);
  for (const name of ADDRESSED) {
    const value = moved.headers.get(name);
    if (value !== null) moved.headers.set(name, value.replace(/^(<?)\/(?!\/)/, `$1${base}/`));
  }
  return moved;
}
