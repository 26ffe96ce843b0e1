/** The client in a page of another origin, in a real Chromium: over CORS, and without what only secure pages have. */
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { createServer, type Server as HttpServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import type { Browser } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { buildPackage } from "../../scripts/build.ts";
import { startServer, type Server } from "../http/server.ts";
import { shareBrowser } from "./chromium.ts";

type Lovage = typeof import("../../src/client/index.ts");

const HTML = `<!doctype html><script type="module">
  import * as lovage from "./client.js";
  globalThis.lovage = lovage;
  // As on a page that is served without TLS.
  Object.defineProperty(crypto, "randomUUID", { value: undefined });
</script>`;

let browser: Browser;
let site: HttpServer;
let origin: string;
let server: Server;

beforeAll(async () => {
  await buildPackage();
  const client = await readFile(join(import.meta.dirname, "../../dist/client/index.js"), "utf8");
  site = createServer((request, response) => {
    const isScript = request.url === "/client.js";
    response.setHeader("content-type", isScript ? "text/javascript" : "text/html").end(isScript ? client : HTML);
  }).listen(0, "127.0.0.1");
  await once(site, "listening");
  origin = `http://127.0.0.1:${(site.address() as AddressInfo).port}`;
  [browser, server] = await Promise.all([shareBrowser(), startServer({ allowOrigins: [origin] })]);
});

afterAll(async () => {
  await server?.stop();
  site?.close();
});

describe("the client in a browser", () => {
  it("submits, follows, waits and is told what is wrong", async () => {
    const page = await browser.newPage();
    await page.goto(origin);

    const seen = await page.evaluate(
      async ({ url, key }) => {
        const { createClient, InvalidInputError } = (globalThis as unknown as { lovage: Lovage }).lovage;
        const client = createClient({ baseUrl: url, apiKey: key });
        const task = await client.submit("test.output", { chunks: 3 });
        const types: string[] = [];
        for await (const event of client.events(task)) types.push(event.type);
        const refused = await client.submit("test.add", { x: "1" }).catch((error: unknown) => error);
        return {
          types,
          result: await client.wait(task, { within: 30_000 }),
          flow: await client.flows.run({
            chain: [{ task: "test.add", input: { x: 1, y: 2 } }, { task: "test.identity" }],
          }),
          isRefused: refused instanceof InvalidInputError,
          hasUuid: crypto.randomUUID !== undefined,
        };
      },
      { url: server.url, key: server.key },
    );

    expect(seen.types.filter((type) => type === "output")).toHaveLength(3);
    expect(seen.types.at(-1)).toBe("done");
    expect(seen).toMatchObject({ result: 3, flow: 3, isRefused: true, hasUuid: false });
    await page.close();
  });
});
