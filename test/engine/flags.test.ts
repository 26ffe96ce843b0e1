/** What the tests run in has the flags that a deployment has. */
import { expect, it } from "vitest";

it("fetches strictly from the public internet, as a deployment does", () => {
  expect((Cloudflare as unknown as { compatibilityFlags: object }).compatibilityFlags).toMatchObject({
    global_fetch_strictly_public: true,
    request_signal_passthrough: true,
  });
});
