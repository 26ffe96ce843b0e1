/** The dashboard where there is much of something, or what others have written is hostile. */
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, expect, it } from "vitest";
import type { FlowResource } from "../../src/contract/flow.ts";
import { apiOf, type Api } from "../http/api.ts";
import { shareServer, type SharedServer } from "../http/shared-server.ts";
import { runs } from "../setup/runs.ts";
import { shareBrowser } from "./chromium.ts";
import { openDashboard, show, SOON_MS } from "./dashboard-page.ts";

let browser: Browser;
let server: SharedServer;
let api: Api;

beforeAll(async () => {
  [browser, server] = await Promise.all([shareBrowser(), shareServer()]);
  api = apiOf(server);
});

afterAll(() => server?.stop());

it("shows a flow of thousands of nodes folded, live, with its first failure and a list to search, in a bounded page", async () => {
  const size = runs(2_000, 10_000);
  const inputs = Array.from({ length: size - 2 }, () => 0);
  const later = { delay: "1h" };
  const { body: flow } = await api.post<FlowResource>("/v1/flows", {
    group: [
      { task: "test.noop", options: later },
      { map: { task: "test.identity", inputs, options: later } },
      { task: "test.fail", input: { message: "one of many", retryable: false } },
    ],
  });
  const { page, complaints } = await openDashboard(browser, server.url, { key: server.key, at: `/flows/${flow.id}` });
  await expect.poll(() => page.locator(".node").count(), { timeout: SOON_MS }).toBe(3);
  expect(
    await page
      .locator(".node")
      .filter({ hasText: `${size - 2} scheduled` })
      .count(),
  ).toBe(1);
  expect(await elements(page)).toBeLessThan(1_000);

  const [first] = flow.nodes;
  await api.post(`/v1/tasks/${first.task.id}/run-now`, {});
  await page.locator(`.node[data-key="${first.key}"][data-state=succeeded]`).waitFor();
  await page.locator(".head .count").filter({ hasText: "1 succeeded" }).waitFor();

  await page.getByRole("button", { name: "List" }).click();
  await page.getByText(`The first 200 nodes of ${size}.`).waitFor();
  expect(await elements(page)).toBeLessThan(5_000);
  await page.getByLabel("Search").fill("test.fail");
  await expect.poll(() => page.locator("tr[data-node]").count(), { timeout: SOON_MS }).toBe(1);
  expect(await page.evaluate("performance.memory.usedJSHeapSize")).toBeLessThan(300_000_000);
  await page.getByRole("heading", { level: 1 }).click();
  await page.keyboard.press("e");
  await page.locator(".head .error").filter({ hasText: "one of many" }).waitFor();
  expect(complaints).toEqual([]);
  await api.post(`/v1/flows/${flow.id}/cancel`, {});
});

it("keeps the row under the pointer where it is while 60 tasks a second come and change", async () => {
  const tags = { test: "sixty" };
  const first = await api.submit("test.noop", null, { tags, delay: "1h" });
  const { page, complaints } = await openDashboard(browser, server.url, {
    key: server.key,
    at: "/tasks?f=tag.test:sixty",
  });
  const row = page.locator(`tr[data-task="${first.id}"]`);
  await row.hover();
  await page.evaluate(`(() => {
    window.places = new Set();
    const look = () => {
      const row = document.querySelector('tr[data-task="${first.id}"]');
      window.places.add(row === null ? "gone" : row.getBoundingClientRect().top);
      requestAnimationFrame(look);
    };
    look();
  })()`);
  const some = Array.from({ length: 30 }, () => ({ task: "test.noop", input: null, options: { tags, delay: "1h" } }));
  for (let second = 0; second < 3; second++) {
    // Each is a change when it is made, and another when it is cancelled.
    const ids = (await api.submitAll(some)).map(({ id }) => id);
    await api.post("/v1/tasks/cancel", { filter: { ids } });
    await page.getByRole("button", { name: `${Math.min(50, 30 * (second + 1))} new` }).waitFor();
  }
  expect(await page.evaluate("[...window.places].length")).toBe(1);
  expect(await page.evaluate("window.places.has('gone')")).toBe(false);
  expect(complaints).toEqual([]);
});

it("shows what others have written as text, in every view", async () => {
  const evil = `<script>window.hit = 1</script><img src=x onerror="window.hit = 1"> 'single' "double" \u202Ereversed\u202C \u200F${"long ".repeat(2_000)}`;
  const short = evil.slice(0, 190);
  const failed = await api.waitForEnd(
    (await api.submit("test.fail", { message: evil, retryable: false }, { tags: { evil: short } })).id,
  );
  const waits = await api.submit("test.signal", { name: "go" }, { tags: { evil: short } });
  const result = await api.waitForEnd((await api.submit("test.identity", { value: { [short]: evil } })).id);
  const stopped = await api.submit("test.noop", null, { delay: "1h", concurrency: { key: short, limit: 1 } });
  const held = await api.submit("test.nap", { ms: 3_600_000 }, { concurrency: { key: short, limit: 1 } });
  await api.post(`/v1/tasks/${stopped.id}/cancel`, { reason: evil.slice(0, 500) });
  const schedule = {
    cron: "0 0 1 1 *",
    task: "test.fail",
    input: { message: evil },
    options: { tags: { evil: short } },
  };
  await api.call("PUT", "/v1/schedules/evil", { body: schedule });
  const { body: hook } = await api.post<{ id: string }>("/v1/webhooks", {
    url: "http://127.0.0.1:9/?q=<script>",
    description: short,
  });
  await api.post("/v1/keys", { name: short.slice(0, 100), scopes: ["read"] });
  const { body: flow } = await api.post<FlowResource>("/v1/flows", {
    chain: [{ task: "test.fail", input: { message: evil, retryable: false } }, { task: "test.noop" }],
  });
  const filter = encodeURIComponent(`tag.evil:${JSON.stringify(short)}`);

  const { page, complaints } = await openDashboard(browser, server.url, { key: server.key });
  const at = new Date().toISOString();
  const line = { seq: 1, type: "log", at, data: { level: "error", message: evil, data: { [short]: evil } } };
  const told = [line, { seq: 2, type: "output", at, data: evil }, { seq: 3, type: "done", at, data: result }];
  await page.route(`**/v1/tasks/${result.id}/events**`, (route) =>
    route.fulfill({
      contentType: "text/event-stream",
      body: told.map((event) => `id: ${event.seq}\nevent: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`).join(""),
    }),
  );
  const views: [at: string, shows: string][] = [
    ["/now", "tr[data-error]"],
    ["/errors", "tr[data-error]"],
    ["/tasks?cols=state,task,why,tags,input,result", `tr[data-task="${failed.id}"]`],
    [`/tasks?f=${filter}`, `tr[data-task="${failed.id}"]`],
    [`/tasks/${failed.id}`, ".head .error"],
    [`/tasks/${failed.id}?tab=events`, "#tab-panel tbody tr"],
    [`/tasks/${failed.id}?tab=code`, "#tab-panel pre"],
    [`/tasks/${result.id}`, ".json"],
    [`/tasks/${result.id}?tab=log`, ".log li"],
    [`/tasks/${result.id}?tab=events`, "#tab-panel tbody tr"],
    [`/tasks/${waits.id}`, ".why-sentence"],
    [`/tasks/${stopped.id}`, ".head .error"],
    [`/flows/${flow.id}?as=list`, "tr[data-node]"],
    ["/schedules/evil", ".json"],
    ["/limits", "tr[data-limit]"],
    [`/webhooks/${hook.id}`, ".head"],
    ["/webhooks", "tbody tr"],
    ["/keys", "tr[data-key]"],
    ["/keys/audit", "tbody tr"],
  ];
  const silent: string[] = [];
  for (const [place, shows] of views) {
    await show(page, place);
    await page.locator(shows).first().waitFor();
    // What is cut short to a label need not hold all of it, but the beginning is there as text.
    if (!(await page.locator("main").textContent())!.includes("<script>")) silent.push(place);
    expect(await page.evaluate("[window.hit, document.querySelectorAll('main script, main img').length]")).toEqual([
      undefined,
      0,
    ]);
    expect([place, await page.evaluate("document.documentElement.scrollWidth <= innerWidth")]).toEqual([place, true]);
  }
  expect(silent).toEqual([]);
  expect(complaints).toEqual([]);
  await api.post(`/v1/tasks/${held.id}/cancel`, {});
});

/** How many elements the page has. */
function elements(page: Page): Promise<number> {
  return page.evaluate("document.querySelectorAll('*').length");
}
