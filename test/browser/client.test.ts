/** The client in a page of another origin, in a real Chromium: over CORS, and without what only secure pages have. */
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { createServer, type IncomingMessage, type Server as HttpServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { Readable } from "node:stream";
import { json, text } from "node:stream/consumers";
import type { ReadableStream } from "node:stream/web";
import type { Browser } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { build as bundle } from "esbuild";
import { buildPackage, reactSize } from "../../scripts/build.ts";
import { createClient } from "../../src/client/index.ts";
import { startServer, type Server } from "../http/server.ts";
import { shareBrowser } from "./chromium.ts";
import { openDashboard, SOON_MS } from "./dashboard-page.ts";

type Lovage = typeof import("../../src/client/index.ts");

const HTML = `<!doctype html><script type="module">
  import * as lovage from "./client.js";
  globalThis.lovage = lovage;
  // As on a page that is served without TLS.
  Object.defineProperty(crypto, "randomUUID", { value: undefined });
</script>`;

const examples = join(import.meta.dirname, "../../docs/examples");

/** The page of docs/examples with its hooks as one script, with React or with Preact instead. */
async function bundled(kind: "react" | "preact"): Promise<string> {
  const compat = {
    react: "preact/compat",
    "react-dom/client": "preact/compat/client",
    "react/jsx-runtime": "preact/jsx-runtime",
  };
  const mount = `
    import { createElement } from "react";
    import { createRoot } from "react-dom/client";
    import { ItemPage } from "./item-page.tsx";
    createRoot(document.querySelector("#root")).render(createElement(ItemPage));`;
  const { outputFiles } = await bundle({
    stdin: { contents: mount, resolveDir: examples },
    bundle: true,
    format: "esm",
    jsx: "automatic",
    define: { "process.env.NODE_ENV": '"production"' },
    alias: kind === "react" ? {} : compat,
    write: false,
  });
  return outputFiles[0].text;
}

/** Submits what the page asks for, with the key that the page does not have. */
async function submitItem(request: IncomingMessage): Promise<string> {
  const { name } = (await json(request)) as { name: string };
  const client = createClient({ baseUrl: server.url, apiKey: server.key });
  const { id, links } = await (name === "never"
    ? client.submit("test.signal", { name }, { links: "signed" })
    : client.submit("test.output", { chunks: 3 }, { links: "signed" }));
  return JSON.stringify({ id, links });
}

/** The service at the origin of the page. */
async function forward(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const { method = "GET", headers } = request;
  asked.push(`${method} ${request.url?.replace(/task_\w+|token=.*/g, "…")} ${headers.authorization ?? ""}`.trim());
  const body = method === "GET" ? {} : { body: await text(request) };
  const kept = Object.entries(headers).filter(([name]) => /^(accept|content-type|last-event-id|prefer)$/.test(name));
  const answer = await fetch(server.url + request.url, { method, ...body, headers: kept as [string, string][] });
  response.writeHead(answer.status, { "content-type": answer.headers.get("content-type") ?? "" });
  if (answer.body === null) return void response.end();
  Readable.fromWeb(answer.body as ReadableStream).pipe(response);
}

let asked: string[] = [];
let scripts: Record<string, string> = {};
let browser: Browser;
let site: HttpServer;
let origin: string;
let server: Server;

beforeAll(async () => {
  await buildPackage();
  scripts = {
    "/client.js": await readFile(join(import.meta.dirname, "../../dist/client/index.js"), "utf8"),
    "/react.js": await bundled("react"),
    "/preact.js": await bundled("preact"),
  };
  site = createServer((request, response) => {
    const { url = "" } = request;
    if (url.startsWith("/v1/")) return void forward(request, response).catch(() => response.destroy());
    if (url === "/items") return void submitItem(request).then((item) => response.end(item));
    const html = /^\/(react|preact)$/.test(url)
      ? `<div id="root"></div><script type="module" src="${url}.js"></script>`
      : HTML;
    response.setHeader("content-type", scripts[url] ? "text/javascript" : "text/html").end(scripts[url] ?? html);
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

describe("the hooks of lovage/react", () => {
  it("are less than 2 KB on top of the client, gzipped", async () => {
    expect(await reactSize()).toBeLessThan(2 * 1_024);
  });

  it.each(["react", "preact"])("show a task to its end and cancel one, by its links alone, with %s", async (kind) => {
    asked = [];
    const page = await browser.newPage();
    const faults: string[] = [];
    page.on("pageerror", (error) => faults.push(error.message));
    await page.goto(`${origin}/${kind}`);
    await page.getByLabel("Name").fill("chunks");
    await page.getByRole("button", { name: "Process" }).click();
    await page.locator("output").filter({ hasText: /^3$/ }).waitFor();
    expect(await page.locator("p[role=status]").textContent()).toBe("succeeded");
    expect(await page.getByRole("listitem").allTextContents()).toEqual(["1", "2", "3"]);
    // Two hooks, one connection; no key.
    expect(asked).toEqual(["GET /v1/tasks/…?…", "GET /v1/tasks/…/events?…"]);

    await page.getByLabel("Name").fill("never");
    await page.getByRole("button", { name: "Process" }).click();
    await page.locator("p[role=status]").filter({ hasText: "waiting" }).waitFor();
    await page.getByRole("button", { name: "Cancel" }).click();
    await page.locator("p[role=status]").filter({ hasText: "cancelled" }).waitFor();
    expect(asked.filter((line) => line.startsWith("POST"))).toEqual(["POST /v1/tasks/…/cancel?…"]);
    expect(faults).toEqual([]);
    await page.close();
  });
});

it("keeps the dashboard's last data while the service is killed, greyed and with its age, and goes on without a reload", async () => {
  const client = createClient({ baseUrl: server.url, apiKey: server.key });
  const before = await client.submit("test.noop", null, { delay: "1h" });
  const { page } = await openDashboard(browser, server.url, { key: server.key, at: "/tasks" });
  const row = (id: string) => page.locator(`tr[data-task="${id}"]`);
  await row(before.id).waitFor();
  await page.evaluate("window.isSame = true");
  const isGrey = () => page.evaluate("getComputedStyle(document.querySelector('main')).filter !== 'none'");
  expect(await isGrey()).toBe(false);

  await server.kill9();
  await page.getByText(/What is shown is \d+ s old/).waitFor();
  expect(await row(before.id).isVisible()).toBe(true);
  await expect.poll(isGrey, { timeout: SOON_MS }).toBe(true);

  await server.restart();
  const after = await client.submit("test.noop", null, { delay: "1h" });
  await row(after.id).waitFor();
  expect(await row(before.id).isVisible()).toBe(true);
  await page.getByText("What is shown is").waitFor({ state: "hidden" });
  expect([await page.evaluate("window.isSame"), await isGrey()]).toEqual([true, false]);
});
