/** The dashboard in a real Chromium, against the real service: what an operator sees and does. Here: signing in, and the list of tasks. */
import type { Browser } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { TaskList } from "../../src/contract/task.ts";
import { apiOf, type Api } from "../http/api.ts";
import { shareServer, type SharedServer } from "../http/shared-server.ts";
import { shareBrowser } from "./chromium.ts";
import { navigation, openDashboard, rowOf, show, SOON_MS, waitRow } from "./dashboard-page.ts";

let browser: Browser;
let server: SharedServer;
let api: Api;

beforeAll(async () => {
  [browser, server] = await Promise.all([shareBrowser(), shareServer()]);
  api = apiOf(server);
});

afterAll(() => server?.stop());

describe("signing in", () => {
  it("refuses a key that is unknown, keeps one that is known over a reload, and forgets it when asked", async () => {
    const { page } = await openDashboard(browser, server.url);
    await page.getByLabel("API key").fill("nobody's");
    await page.keyboard.press("Enter");
    await page.locator("#key-status").filter({ hasText: "key" }).waitFor();

    await page.getByLabel("API key").fill(server.key);
    await page.keyboard.press("Enter");
    await navigation(page).waitFor();
    await page.reload();
    await navigation(page).waitFor();
    expect(await page.evaluate("localStorage.getItem('lovage.key')")).toBe(null);

    await page.locator(".account summary").click();
    expect(await page.locator(".account").textContent()).toContain("admin");
    await page.getByRole("button", { name: "Sign out" }).click();
    await page.getByLabel("API key").waitFor();
    expect(await page.evaluate("sessionStorage.getItem('lovage.key')")).toBe(null);
  });

  it("shows a key that may only read nothing to act with, and says which scope is missing", async () => {
    const key = await keyWith(["read"]);
    const task = await api.submit("test.sleep", { ms: 1 }, { delay: "1h" });
    const waits = await api.submit("test.approval", {});
    const { page, complaints } = await openDashboard(browser, server.url, { key, at: "/tasks" });
    await rowOf(page, task.id).waitFor();
    expect(await page.locator("input[type=checkbox]:visible").count()).toBe(0);
    await show(page, `/tasks/${task.id}`);
    await page.getByRole("heading", { level: 1, name: "test.sleep" }).waitFor();
    expect(await page.locator(".acts button").count()).toBe(0);
    await show(page, "/inbox");
    await waitRow(page, waits.id).waitFor();
    expect(await page.locator(".acts-cell").count()).toBe(0);
    await show(page, "/keys");
    await page.getByText("lacks the scope admin").waitFor();
    await show(page, "/submit");
    await page.getByText("lacks the scope submit").waitFor();
    await show(page, "/limits");
    await page.locator("[data-lane=default]").waitFor();
    expect(await page.locator(".acts-cell button").count()).toBe(0);
    expect(complaints).toEqual([]);
  });
});

describe("the list of tasks", () => {
  it("shows a task from its submission to its end without a reload", async () => {
    const { page, complaints } = await openDashboard(browser, server.url, { key: server.key, at: "/tasks" });
    await page.getByRole("combobox", { name: "Filter" }).waitFor();
    const task = await api.submit("test.signal", { name: "go" }, { tags: { test: "live" } });
    await expect.poll(() => rowOf(page, task.id).getAttribute("data-state"), { timeout: SOON_MS }).toBe("waiting");
    expect(await rowOf(page, task.id).textContent()).toContain("for the signal go");
    await api.post(`/v1/tasks/${task.id}/signals/go`, 1);
    await expect.poll(() => rowOf(page, task.id).getAttribute("data-state"), { timeout: SOON_MS }).toBe("succeeded");
    expect(complaints).toEqual([]);
  });

  it("keeps the row under the pointer in its place while others come, counts them, and shows them when asked", async () => {
    const tags = { test: "still" };
    const first = await api.submit("test.noop", null, { tags, delay: "1h" });
    const { page } = await openDashboard(browser, server.url, { key: server.key, at: "/tasks?f=tag.test:still" });
    const row = rowOf(page, first.id);
    await row.hover();
    const before = await row.boundingBox();
    await api.submitAll(
      Array.from({ length: 12 }, () => ({ task: "test.noop", input: null, options: { tags, delay: "1h" } })),
    );
    await page.getByRole("button", { name: "12 new" }).waitFor();
    expect(await row.boundingBox()).toEqual(before);
    expect(await page.locator("tr[data-task]").count()).toBe(1);
    await page.keyboard.press("l");
    await expect.poll(() => page.locator("tr[data-task]").count(), { timeout: SOON_MS }).toBe(13);
  });

  it("has its filter and its columns in the address, completes both names and values, and opens rows by keys", async () => {
    const tags = { test: "filter" };
    const [, failed] = [
      await api.submit("test.noop", null, { tags }),
      await api.submit("test.fail", { message: "as asked", retryable: false }, { tags }),
    ];
    await api.waitForEnd(failed.id);
    const { page, complaints } = await openDashboard(browser, server.url, { key: server.key, at: "/tasks" });
    await rowOf(page, failed.id).waitFor();
    await page.keyboard.press("/");
    await page.keyboard.type("tag.test:filter sta");
    await page.getByRole("option", { name: /^state:/ }).waitFor();
    await page.keyboard.press("Tab");
    await page.keyboard.type("fai");
    await page.getByRole("option", { name: /^state:failed/ }).waitFor();
    await page.keyboard.press("Tab");
    await page.keyboard.press("Enter");
    await expect.poll(() => page.locator("tr[data-task]").count(), { timeout: SOON_MS }).toBe(1);
    expect(await rowOf(page, failed.id).textContent()).toContain("as asked");
    await page.keyboard.type(" error:");
    await page
      .getByRole("option", { name: /^error:\S+ \d/ })
      .first()
      .waitFor();
    await page.keyboard.press("Escape");

    await page.getByText("Columns", { exact: true }).click();
    await page.getByLabel("A path").fill("input/message");
    await page.getByRole("button", { name: "Add", exact: true }).click();
    await page.getByRole("columnheader", { name: "message" }).waitFor();
    const address = page.url();
    await page.reload();
    await page.getByRole("columnheader", { name: "message" }).waitFor();
    expect(page.url()).toBe(address);
    expect(await page.locator("tr[data-task]").count()).toBe(1);

    await page.keyboard.press("j");
    await page.keyboard.press("o");
    const aside = page.getByRole("complementary");
    await aside.getByRole("heading", { level: 1, name: "test.fail" }).waitFor();
    expect(await page.locator("tr[data-task].at").count()).toBe(1);
    await page.keyboard.press("Escape");
    await aside.waitFor({ state: "detached" });
    await page.keyboard.press("j");
    await page.keyboard.press("Enter");
    await page.getByRole("heading", { level: 1, name: "test.fail" }).waitFor();
    expect(complaints).toEqual([]);
  });

  it("teaches how to submit the first task, with the own key where that is asked for", async () => {
    const { body } = await apiOf(server.root).post<{ key: string }>("/v1/keys", {
      name: "first",
      tenant: "nobody-yet",
      scopes: ["read", "submit"],
    });
    const { page, complaints } = await openDashboard(browser, server.url, { key: body.key, at: "/tasks" });
    const line = page.locator(".empty pre");
    await line.filter({ hasText: '"Authorization: Bearer $API_KEY"' }).waitFor();
    expect(await page.content()).not.toContain(body.key);
    await page.getByRole("button", { name: "With my key" }).click();
    expect(await line.textContent()).toContain(`'Authorization: Bearer ${body.key}'`);
    await page.getByRole("button", { name: "With my key" }).click();
    expect(await page.content()).not.toContain(body.key);
    expect(complaints).toEqual([]);
  });

  it("searches for free words, which stay in the address, and says which tasks are found so", async () => {
    const found = await api.submit("test.searchable", { text: "a lighthouse near Bergen" });
    const { page, complaints } = await openDashboard(browser, server.url, { key: server.key, at: "/tasks" });
    await rowOf(page, found.id).waitFor();
    await page.keyboard.press("/");
    await page.keyboard.type("bergen lighthouse");
    await page.keyboard.press("Enter");
    await expect.poll(() => page.locator("tr[data-task]").count(), { timeout: SOON_MS }).toBe(1);
    await page.reload();
    await rowOf(page, found.id).waitFor();
    expect(await page.getByLabel("Filter").inputValue()).toBe("bergen lighthouse");
    await page.getByLabel("Filter").fill("nowhere-at-all");
    await page.keyboard.press("Enter");
    await page.locator(".empty").filter({ hasText: "searchable" }).waitFor();
    expect(complaints).toEqual([]);
  });

  it("says of a filter that finds nothing which term excludes the most", async () => {
    const tags = { test: "nothing" };
    await api.submit("test.noop", null, { tags, delay: "1h" });
    for (let n = 0; n < 2; n++) {
      const { id } = await api.submit("test.noop", null, { tags, delay: "1h", lane: "bulk" });
      await api.post(`/v1/tasks/${id}/cancel`);
    }
    const { page } = await openDashboard(browser, server.url, {
      key: server.key,
      at: "/tasks?f=tag.test:nothing%20lane:bulk%20state:scheduled",
    });
    await page.getByText("No task fits this filter").waitFor();
    const terms = page.locator(".empty li");
    await terms.first().waitFor();
    expect(await terms.allTextContents()).toEqual(["Without state:scheduled: 2 tasks", "Without lane:bulk: 1 task"]);
    await terms.first().getByRole("link").click();
    await expect.poll(() => page.locator("tr[data-task]").count(), { timeout: SOON_MS }).toBe(2);
  });

  it("cancels all that a filter finds, over all pages, after it has said how many", async () => {
    const tags = { test: "bulk" };
    const options = { tags, delay: "1h" };
    await api.submitAll(Array.from({ length: 60 }, () => ({ task: "test.noop", input: null, options })));
    const { page, complaints } = await openDashboard(browser, server.url, {
      key: server.key,
      at: "/tasks?f=tag.test:bulk",
    });
    await page.getByLabel("Select all on this page").click();
    await page.getByText("50 tasks selected").waitFor();
    await page.getByRole("button", { name: "Select all that the filter finds" }).click();
    await page.getByRole("button", { name: "Cancel…" }).click();
    const dialog = page.getByRole("dialog");
    await dialog.locator("[data-matched]").waitFor();
    expect(await dialog.locator("[data-matched]").textContent()).toBe("60 tasks");
    expect(await countOf("bulk", "scheduled")).toBe(60);
    await dialog.getByRole("button", { name: "Cancel", exact: true }).click();
    await dialog.waitFor({ state: "detached" });
    expect(await countOf("bulk", "cancelled")).toBe(60);
    expect(complaints).toEqual([]);
  });
});

it("keeps what it shows while the service is away, and goes on by itself", async () => {
  const { page } = await openDashboard(browser, server.url, { key: server.key, at: "/tasks" });
  const before = await api.submit("test.noop", null, { delay: "1h" });
  await rowOf(page, before.id).waitFor();
  await page.context().setOffline(true);
  await page.getByText("The service does not answer").waitFor();
  expect(await rowOf(page, before.id).isVisible()).toBe(true);
  const meanwhile = await api.submit("test.noop", null, { delay: "1h" });
  await page.context().setOffline(false);
  await rowOf(page, meanwhile.id).waitFor();
  await page.getByText("The service does not answer").waitFor({ state: "hidden" });
});

async function countOf(test: string, state: string): Promise<number> {
  const { body } = await api.get<TaskList>(`/v1/tasks?tag.test=${test}&state=${state}&limit=200`);
  return body.items.length;
}

async function keyWith(scopes: string[]): Promise<string> {
  const { body } = await api.post<{ key: string }>("/v1/keys", { name: "of a test", scopes });
  return body.key;
}
