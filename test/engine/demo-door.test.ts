/** The public door counts whole networks, since each visitor has as many IPv6 addresses as it likes. */
import { env } from "cloudflare:workers";
import { expect, it } from "vitest";
import { routes } from "../../src/app/routes.ts";
import { createApp } from "../../src/web/app.ts";

it("limits a /64 as one caller, however its addresses are written", async () => {
  const counted = new Map<string, number>();
  const limit = async ({ key }: { key: string }) => {
    counted.set(key, (counted.get(key) ?? 0) + 1);
    return { success: counted.get(key)! <= 2 };
  };
  const bindings = { ...env, PUBLIC_DEMO: "1", FIXTURES: "", DEMO_LIMIT: { limit } };
  const app = createApp(routes);
  const post = async (address: string) => {
    const headers = { "cf-connecting-ip": address, "content-type": "application/json" };
    const body = JSON.stringify({});
    const request = new Request("https://lovage.example/item", { method: "POST", headers, body });
    return (await app.fetch(request, bindings, { waitUntil: () => {}, passThroughOnException: () => {} } as never))
      .status;
  };
  const own = ["2001:db8:1:2::1", "2001:DB8:1:2:ffff::", "2001:0db8:0001:0002:0:0:0:3"];
  expect(await Promise.all(own.map(post))).toEqual([422, 422, 429]);
  expect(await post("2001:db8:1:3::1")).toBe(422);
  expect([await post("192.0.2.1"), await post("::ffff:192.0.2.1"), await post("::ffff:c000:201")]).toEqual([
    422, 422, 429,
  ]);
  expect(await post("192.0.2.2")).toBe(422);
});
