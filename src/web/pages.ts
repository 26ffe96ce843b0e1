/** What a browser gets: files that the build made, under the same headers as everything else. */

import type { AppContext } from "./app-context.ts";

/** The methods that a page takes. */
export const PAGE_METHODS = ["GET", "HEAD"];

/** The demo page's own address. Under the names of its file it is not there. */
const DEMO = "/";

/** Pages and the files that they load, in this spelling alone: what is served is decided here, not by how a file is found. */
const SERVED =
  /^\/(?:(?!index(?:$|\/|\.html$))[a-z][a-z-]*(?:\/|\.html)?|(?:assets\/)?[\w-]+(?:\.[\w-]+)*\.(?!html?$)[a-z0-9]+)$/;

/** The page or asset at this address, whatever the method of the request; null where there is none. */
export async function findPage(c: AppContext): Promise<Response | null> {
  const { pathname } = new URL(c.req.url);
  // The demo page is a part of the public door.
  if (pathname === DEMO ? c.env.PUBLIC_DEMO !== "1" : !SERVED.test(pathname)) return null;
  if (c.env.ASSETS === undefined) return null;
  const asset = await c.env.ASSETS.fetch(
    new Request(new URL(c.req.url), {
      method: c.req.method === "GET" ? "GET" : "HEAD",
      headers: c.req.raw.headers,
      // Another spelling of a page's address leads there; what is there is for that request to find out.
      redirect: "manual",
    }),
  );
  if (asset.status === 404) return null;
  return new Response(asset.body, asset);
}
