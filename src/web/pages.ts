/** What a browser gets: files that the build made, under the same headers as everything else. */

import type { AppContext } from "./operation.ts";

/** The methods that a page takes. */
export const PAGE_METHODS = ["GET", "HEAD"];

/** The page or asset at this address, whatever the method of the request; null where there is none. */
export async function findPage(c: AppContext): Promise<Response | null> {
  // The demo page is a part of the public door.
  if (new URL(c.req.url).pathname === "/" && c.env.PUBLIC_DEMO !== "1") return null;
  const asset = await c.env.ASSETS.fetch(
    new Request(new URL(c.req.url), {
      method: c.req.method === "GET" ? "GET" : "HEAD",
      headers: c.req.raw.headers,
    }),
  );
  if (asset.status === 404) return null;
  return new Response(asset.body, asset);
}
