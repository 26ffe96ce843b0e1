/** Serves the built pages and assets, with the same headers as every other answer. */

import type { AppContext } from "./app-context.ts";

/** The methods that a page takes. */
export const PAGE_METHODS = ["GET", "HEAD"];

/** The only address of the demo page; the name of its file, `index`, is not served. */
const DEMO = "/";

/** Paths of pages and their files. Only these spellings are served, whatever else the assets binding would find. */
const SERVED =
  /^\/(?:(?!index(?:$|\/|\.html$))[a-z][a-z-]*(?:\/|\.html)?|(?:assets\/)?[\w-]+(?:\.[\w-]+)*\.(?!html?$)[a-z0-9]+)$/;

/** The page or asset at this address, whatever the method of the request; null where there is none. */
export async function findPage(c: AppContext): Promise<Response | null> {
  const { pathname } = new URL(c.req.url);
  // The demo page is served only where the public demo routes exist.
  if (pathname === DEMO ? c.env.PUBLIC_DEMO !== "1" : !SERVED.test(pathname)) return null;
  if (c.env.ASSETS === undefined) return null;
  const asset = await c.env.ASSETS.fetch(
    new Request(new URL(c.req.url), {
      method: c.req.method === "GET" ? "GET" : "HEAD",
      headers: c.req.raw.headers,
      // Passes on a redirect from another spelling of a page's address, instead of following it here.
      redirect: "manual",
    }),
  );
  if (asset.status === 404) return null;
  return new Response(asset.body, asset);
}
