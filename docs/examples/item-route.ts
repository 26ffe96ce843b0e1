/** The server's part of `item-page.tsx`: a route of any server that speaks web standards, such as a Hono app. */

import { createClient } from "lovage/client";

/** `env` has the service's address and a key with the scope `submit`. */
export async function postItem(request: Request, env: { LOVAGE_URL: string; LOVAGE_KEY: string }): Promise<Response> {
  const { name } = (await request.json()) as { name: string };
  const client = createClient({ baseUrl: env.LOVAGE_URL, apiKey: env.LOVAGE_KEY });
  const { id, links } = await client.submit("process_item", { name, steps: 10, pause: "1s" }, { links: "signed" });
  return Response.json({ id, links });
}
