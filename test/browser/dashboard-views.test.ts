/** The dashboard's other views in a real Chromium, against the real service: inbox, errors and flows; and what axe finds in each view. */
import type { Browser } from "playwright-core";
import { afterAll, beforeAll, expect, it } from "vitest";
import type { FlowResource } from "../../src/contract/flow.ts";
import { apiOf, type Api } from "../http/api.ts";
import { shareServer, type SharedServer } from "../http/shared-server.ts";
import { shareBrowser } from "./chromium.ts";
import { axeFaults, navigation, openDashboard, overflow, show, SOON_MS, waitRow } from "./dashboard-page.ts";

let browser: Browser;
let server: SharedServer;
let api: Api;

beforeAll(async () => {
  [browser, server] = await Promise.all([shareBrowser(), shareServer()]);
  api = apiOf(server);
});

afterAll(() => server?.stop());

it("lists in the inbox what waits for an answer, and sends it by a form from its schema", async () => {
  const { page, complaints } = await openDashboard(browser, server.url, { key: server.key, at: "/now" });
  await navigation(page).waitFor();
  await page.keyboard.press("g");
  await page.keyboard.press("i");
  const task = await api.submit("test.approval", {});
  const row = waitRow(page, task.id);
  await row.getByRole("cell", { name: "approved" }).waitFor();
  await row.getByRole("button", { name: "Answer…" }).click();
  const dialog = page.getByRole("dialog");
  // What does not fit would be passed over.
  expect(await dialog.getByRole("button", { name: "Send" }).isDisabled()).toBe(true);
  await dialog.getByLabel("approved").selectOption("yes");
  await dialog.getByText("As curl and as code").click();
  expect(await dialog.textContent()).toContain(`-d '{"approved":true}'`);
  await dialog.getByRole("button", { name: "Send" }).click();
  await row.waitFor({ state: "detached" });
  expect((await api.waitForEnd(task.id)).result).toBe("approved");
  expect(complaints).toEqual([]);
});

it("tells how the work stands, and of the same errors together, which it resolves", async () => {
  const ids = ["17", "42"].map((n) => ({
    task: "test.fail",
    input: { message: `order ${n} is lost`, retryable: false },
  }));
  for (const { id } of await api.submitAll(ids)) await api.waitForEnd(id);
  const { page, complaints } = await openDashboard(browser, server.url, { key: server.key, at: "/now" });
  await page.locator(".health[data-verdict]").waitFor();
  await page.getByRole("img", { name: /^Ended: / }).waitFor();
  const root = apiOf(server.root);
  await root.post("/v1/lanes/long/pause");
  await root.post("/v1/lanes/long/resume");
  await page.reload();
  const marks = page.getByRole("list", { name: "What happened to the service" });
  await marks.getByRole("listitem").filter({ hasText: "lane long paused" }).first().waitFor();
  expect(await page.locator(".plot line[data-mark=pause]").count()).toBeGreaterThan(0);
  await show(page, "/errors");
  const row = page.locator("tr[data-error]").filter({ hasText: "order # is lost" });
  await row.getByRole("link", { name: "2", exact: true }).waitFor();
  await row.getByRole("button", { name: "Resolve…" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Mark as resolved" }).click();
  await row.waitFor({ state: "detached" });
  await page.getByLabel("State").selectOption("resolved");
  await row.getByRole("link", { name: "2", exact: true }).click();
  await expect.poll(() => page.locator("tr[data-task]").count(), { timeout: SOON_MS }).toBe(2);
  expect(complaints).toEqual([]);
});

it("names who holds a limit, who waits for it and who has changed it, and previews a schedule", async () => {
  const concurrency = { key: "few", limit: 5 };
  const holder = await api.submit("test.sleep", { ms: 600_000 }, { timeout: "14m", concurrency });
  await api.waitUntil(holder.id, ({ state }) => state === "running");
  await api.call("PUT", "/v1/limits/concurrency::few", { body: { limit: 1 } });
  const waiter = await api.submit("test.noop", null, { concurrency });
  const { page, complaints } = await openDashboard(browser, server.url, { key: server.key, at: "/limits" });
  const row = page.locator('tr[data-limit="concurrency::few"]');
  await row.locator(`[data-title="Held by"] a[href="#/tasks/${holder.id}"]`).waitFor();
  await row.locator(`[data-title="Waiting"] a[href="#/tasks/${waiter.id}"]`).waitFor();
  await row.getByRole("link", { name: server.keyId }).waitFor();
  await row.locator('[data-title="Set by"]').filter({ hasText: ", since" }).waitFor();
  await page.locator('tr[data-lane="default"] [data-title="Oldest wait"] time').waitFor();
  await api.post(`/v1/tasks/${holder.id}/cancel`);

  await show(page, "/schedules");
  await page.getByRole("button", { name: "New schedule…" }).click();
  const runs = page.getByRole("dialog").locator("[data-preview] li");
  await page.getByLabel("Time zone").fill("UTC");
  await page.getByLabel("When").fill("0 12 1 1 *");
  expect(await runs.allTextContents()).toEqual(
    Array.from({ length: 5 }, () => expect.stringContaining("-01-01 12:00")),
  );
  await page.getByLabel("When").fill("0 12 1");
  await expect.poll(() => runs.count(), { timeout: SOON_MS }).toBe(0);
  await page.keyboard.press("Escape");
  expect(complaints).toEqual([]);
});

it("draws a flow of 300 tasks folded, and lists them", async () => {
  const inputs = Array.from({ length: 298 }, (_, i) => ({ value: i }));
  const { body: flow } = await api.post<FlowResource>("/v1/flows", {
    chain: [{ task: "test.noop" }, { map: { task: "test.identity", inputs } }, { task: "test.noop" }],
  });
  const { page, complaints } = await openDashboard(browser, server.url, { key: server.key, at: `/flows/${flow.id}` });
  await expect.poll(() => page.locator(".node").count(), { timeout: SOON_MS }).toBe(3);
  await page.locator(".node").filter({ hasText: "298 succeeded" }).waitFor();
  await page.getByRole("button", { name: "List" }).click();
  await page.getByLabel("Search").fill("test.noop");
  await expect.poll(() => page.locator("tr[data-node]").count(), { timeout: SOON_MS }).toBe(2);
  expect(complaints).toEqual([]);
});

it("goes by keys to every view and through its rows, copies what it shows, and acts on a row", async () => {
  const tags = { test: "keys" };
  const failed = await api.submit("test.fail", { message: "by keys", retryable: false }, { tags });
  await api.waitForEnd(failed.id);
  const later = await api.submit("test.noop", null, { tags, delay: "1h" });
  const { body: flow } = await api.post<FlowResource>("/v1/flows", { group: [{ task: "test.noop" }] });
  const { page, complaints } = await openDashboard(browser, server.url, { key: server.key });
  await page.context().grantPermissions(["clipboard-read", "clipboard-write"]);
  const press = async (...keys: string[]) => {
    for (const key of keys) await page.keyboard.press(key);
  };
  const copied = () => page.evaluate<string>("navigator.clipboard.readText()");
  const at = () => page.evaluate<string>("location.hash");
  const views = { n: "stats", t: "tasks", f: "flows", e: "errors", i: "waits", s: "schedules", l: "limits" };
  for (const [letter, path] of Object.entries({ ...views, w: "webhooks", k: "keys" })) {
    await press("g", letter);
    // The view before may still be there at the first press.
    await expect.poll(() => press(".").then(copied), { timeout: SOON_MS }).toMatch(new RegExp(`/v1/${path}\\b`));
  }
  await press("g", "u");
  await expect.poll(at, { timeout: SOON_MS }).toMatch(/^#\/submit/);

  await press("g", "f");
  await page.locator(`tr[data-flow="${flow.id}"]`).waitFor();
  await press("j", "Enter");
  await expect.poll(at, { timeout: SOON_MS }).toBe(`#/flows/${flow.id}`);
  await page.locator(".node").waitFor();

  await show(page, "/tasks?f=tag.test:keys");
  await page.locator(`tr[data-task="${later.id}"]`).waitFor();
  await press("j", "c");
  await page.getByRole("dialog", { name: `Cancel: the task ${later.id}` }).waitFor();
  await press("Escape", "j", "r");
  await page.getByRole("dialog", { name: `Run again: the task ${failed.id}` }).waitFor();
  await page.locator("[data-matched]").filter({ hasText: "1 task" }).waitFor();
  await press("Escape", "Escape", "d");
  expect(await page.getByRole("dialog").count()).toBe(0);
  expect(complaints).toEqual([]);
});

it("has no fault that axe knows in any view, light and dark, and fits 390 pixels", async () => {
  const [failed, waits] = [
    await api.submit(
      "test.failTimes",
      { times: 9 },
      { maxAttempts: 2, retry: { backoff: "fixed", base: "1ms", jitter: "none" } },
    ),
    await api.submit("test.signal", { name: "never" }, { tags: { customer: "42" } }),
  ];
  await api.waitForEnd(failed.id);
  const later = await api.submit("test.noop", null, { delay: "1h" });
  await api.call("PUT", "/v1/schedules/nightly", { body: { cron: "30 2 * * *", task: "test.noop", input: null } });
  const { body: hook } = await api.post<{ id: string }>("/v1/webhooks", { url: "http://127.0.0.1:9/" });
  const { body: flow } = await api.post<FlowResource>("/v1/flows", {
    group: [{ task: "test.noop" }, { task: "test.noop" }],
  });
  const views: [at: string, shows: string][] = [
    ["/now", ".plot"],
    ["/errors", "tr[data-error]"],
    ["/tasks", "tr[data-task]"],
    ["/tasks?f=state:failed%20tag.a:b", ".empty ul"],
    [`/tasks/${failed.id}`, ".timeline .stretch"],
    [`/tasks/${waits.id}?tab=events`, "#tab-panel tbody tr"],
    ["/flows", "tr[data-flow]"],
    [`/flows/${flow.id}`, ".node"],
    ["/inbox", "tr[data-wait]"],
    ["/schedules", "tr[data-schedule]"],
    ["/schedules/nightly", ".json"],
    ["/limits", "tr[data-lane]"],
    ["/webhooks", "tbody tr"],
    [`/webhooks/${hook.id}`, ".head"],
    ["/keys", "tr[data-key]"],
    ["/keys/audit", "tbody tr"],
    ["/submit/process_item", "form.submit"],
  ];
  const faults: string[] = [];
  for (const colorScheme of ["light", "dark"] as const) {
    const { page, complaints } = await openDashboard(browser, server.url, { key: server.key, colorScheme });
    // The other colours change nothing but the contrast.
    const rule = colorScheme === "dark" ? "color-contrast" : undefined;
    for (const [at, shows] of views) {
      await show(page, at);
      await page.locator(shows).first().waitFor();
      for (const fault of await axeFaults(page, rule)) faults.push(`${at}, ${colorScheme}: ${fault}`);
      if (colorScheme === "dark") continue;
      await page.setViewportSize({ width: 390, height: 800 });
      if ((await overflow(page)) > 0) faults.push(`${at} is wider than 390 pixels`);
      await page.setViewportSize({ width: 1_280, height: 900 });
    }
    await show(page, `/tasks/${later.id}`);
    await page.getByRole("button", { name: "Change…" }).click();
    await page.getByRole("dialog").getByLabel("Start").waitFor();
    faults.push(...(await axeFaults(page, rule)));
    await page.keyboard.press("Escape");
    await page.keyboard.press("?");
    await page.getByRole("dialog", { name: "Keys" }).waitFor();
    faults.push(...(await axeFaults(page, rule)));
    await page.keyboard.press("Escape");
    await page.keyboard.press("Control+k");
    await page.keyboard.type("schedules");
    faults.push(...(await axeFaults(page, rule)));
    await page.keyboard.press("Enter");
    await page.locator("tr[data-schedule]").waitFor();
    faults.push(...complaints);
  }
  expect(faults).toEqual([]);
});
