/** The dashboard where there is much of something. */
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, expect, it } from "vitest";
import type { FlowResource } from "../../src/contract/flow.ts";
import { apiOf, type Api } from "../http/api.ts";
import { shareServer, type SharedServer } from "../http/shared-server.ts";
import { runs } from "../setup/runs.ts";
import { shareBrowser } from "./chromium.ts";
import { openDashboard, SOON_MS } from "./dashboard-page.ts";

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

/** How many elements the page has. */
function elements(page: Page): Promise<number> {
  return page.evaluate("document.querySelectorAll('*').length");
}
