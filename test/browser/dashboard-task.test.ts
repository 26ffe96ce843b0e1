/** The dashboard's page of one task in a real Chromium, against the real service. */
import type { Browser } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { StepResource } from "../../src/contract/step.ts";
import type { TaskResource } from "../../src/contract/task.ts";
import { apiOf, type Api } from "../http/api.ts";
import { shareServer, type SharedServer } from "../http/shared-server.ts";
import { shareBrowser } from "./chromium.ts";
import { badge, openDashboard, show, SOON_MS } from "./dashboard-page.ts";

let browser: Browser;
let server: SharedServer;
let api: Api;

beforeAll(async () => {
  [browser, server] = await Promise.all([shareBrowser(), shareServer()]);
  api = apiOf(server);
});

afterAll(() => server?.stop());

describe("a task", () => {
  it("says why it waits and on whom, is cancelled after a question, and runs again", async () => {
    const concurrency = { key: "the-only-place", limit: 1 };
    const holder = await api.submit("test.sleep", { ms: 600_000 }, { timeout: "14m", concurrency });
    await api.waitUntil(holder.id, ({ state }) => state === "running");
    const held = await api.submit("test.fail", { message: "no", retryable: false }, { concurrency });
    const { page, complaints } = await openDashboard(browser, server.url, {
      key: server.key,
      at: `/tasks/${held.id}`,
    });
    await page.locator(".why-sentence").filter({ hasText: "the-only-place has its only slot taken" }).waitFor();
    expect(await page.locator(".why-sentence a").getAttribute("href")).toBe(`#/tasks/${holder.id}`);
    await page.keyboard.press("c");
    const dialog = page.getByRole("dialog");
    await dialog.getByLabel("Reason").fill("the guest's gone");
    await dialog.getByText("As curl and as code").click();
    expect(await dialog.textContent()).toContain(String.raw`-d '{"reason":"the guest'\''s gone"}'`);
    await dialog.getByRole("button", { name: "Cancel the task" }).click();
    await badge(page, "cancelled").waitFor();

    await api.post(`/v1/tasks/${holder.id}/cancel`);
    await page.getByRole("button", { name: "Run again…" }).click();
    await dialog.getByLabel("message").fill("again");
    expect(await dialog.locator(".diff ins, .diff del").allTextContents()).toEqual([
      '-   "message": "no",',
      '+   "message": "again",',
    ]);
    await dialog.getByRole("button", { name: "Run again" }).click();
    await badge(page, "failed").waitFor();
    await page.locator(".head .error").filter({ hasText: "again" }).waitFor();
    expect(await page.getByRole("img", { name: /failed after/ }).count()).toBe(1);
    expect(complaints).toEqual([]);
  });

  it("gets a signal, and shows what it logs and its steps as they come", async () => {
    const task = await api.submit("test.signal", { name: "go" });
    const { page, complaints } = await openDashboard(browser, server.url, {
      key: server.key,
      at: `/tasks/${task.id}`,
    });
    await page.getByText("It waits for the signal go").waitFor();
    await page.getByRole("button", { name: "Send a signal…" }).click();
    const dialog = page.getByRole("dialog");
    expect(await dialog.getByLabel("Name").inputValue()).toBe("go");
    await dialog.getByLabel("Body").fill('{"answer": 42}');
    await dialog.getByRole("button", { name: "Send" }).click();
    await badge(page, "succeeded").waitFor();
    await page.locator(".json").filter({ hasText: "answer: 42" }).waitFor();

    const logger = await api.submit("test.log", { lines: 3 });
    await show(page, `/tasks/${logger.id}?tab=log`);
    await expect.poll(() => page.locator(".log li").count(), { timeout: SOON_MS }).toBe(3);
    const stepper = await api.submit("test.steps", { steps: 2 });
    await show(page, `/tasks/${stepper.id}`);
    await expect.poll(() => page.locator(".stretch[data-kind=step]").count(), { timeout: SOON_MS }).toBe(2);
    expect(complaints).toEqual([]);
  });

  it("is paused, resumed, changed and started before it has started, by what its state allows", async () => {
    const tags = { note: "two words" };
    const task = await api.submit("test.identity", { value: 1 }, { delay: "1h", tags });
    const { page, complaints } = await openDashboard(browser, server.url, {
      key: server.key,
      at: `/tasks/${task.id}`,
    });
    const dialog = page.getByRole("dialog");
    await page.getByRole("button", { name: "Pause…" }).waitFor();
    await page.keyboard.press("p");
    await dialog.getByRole("button", { name: "Pause the task" }).click();
    await page.getByRole("button", { name: "Resume…" }).click();
    expect((await api.read(task.id)).pausedAt).toBeDefined();
    await dialog.getByRole("button", { name: "Resume the task" }).click();
    await page.getByRole("button", { name: "Pause…" }).waitFor();
    expect((await api.read(task.id)).pausedAt).toBeUndefined();

    await page.getByRole("button", { name: "Change…" }).click();
    expect(await dialog.getByRole("button", { name: "Change the task" }).isDisabled()).toBe(true);
    await dialog.getByLabel("Lane").selectOption("bulk");
    await dialog.getByLabel("Start").fill("2030-01-02T03:04:05");
    await dialog.getByLabel("Tags").fill('note="two words" plan=pro');
    await dialog.getByLabel("Input").fill('{"value": 2}');
    await dialog.getByText("As curl and as code").click();
    expect(await dialog.textContent()).toContain("curl -X PATCH");
    await dialog.getByRole("button", { name: "Change the task" }).click();
    await dialog.waitFor({ state: "detached" });
    const runAt = await page.evaluate("new Date('2030-01-02T03:04:05').toISOString()");
    const changed = { lane: "bulk", runAt, tags: { ...tags, plan: "pro" }, expiresAt: null, input: { value: 2 } };
    expect(await api.read(task.id)).toMatchObject({ ...changed, maxAttempts: task.maxAttempts });

    await page.getByRole("button", { name: "Run now…" }).click();
    await dialog.getByRole("button", { name: "Run it now" }).click();
    await badge(page, "succeeded").waitFor();
    await page
      .locator(".json")
      .filter({ hasText: /^Copy result2$/ })
      .waitFor();
    expect(await page.getByRole("button", { name: /Change…|Pause…|Run now…/ }).count()).toBe(0);
    expect(complaints).toEqual([]);
  });

  it("runs again from one of its steps", async () => {
    const task = await api.submit("test.steps", { steps: 3, failAfter: 2 }, { maxAttempts: 1 });
    const { finishedAt } = await api.waitForEnd(task.id);
    const before = await stepsOf(task.id);
    const { page, complaints } = await openDashboard(browser, server.url, {
      key: server.key,
      at: `/tasks/${task.id}`,
    });
    await expect.poll(() => page.locator(".stretch[data-kind=step]").count(), { timeout: SOON_MS }).toBe(2);
    await page.getByRole("button", { name: "Run again…" }).click();
    const dialog = page.getByRole("dialog");
    const from = dialog.getByLabel("From");
    await from.selectOption("s2");
    expect(await from.locator("option").allTextContents()).toEqual(["the beginning: all steps run again", "s1", "s2"]);
    await dialog.getByText("As curl and as code").click();
    expect(await dialog.textContent()).toContain(`-d '{"from":"s2"}'`);
    await dialog.getByRole("button", { name: "Run again" }).click();
    await api.waitUntil(task.id, (now) => now.finishedAt !== null && now.finishedAt !== finishedAt);
    const after = await stepsOf(task.id);
    expect(after[0]).toEqual(before[0]);
    expect(after[1]).not.toEqual(before[1]);
    expect(complaints).toEqual([]);
  });

  it("shows on its timeline what was undone, the last step first", async () => {
    const task = await api.submit("test.undo", { steps: 2, failAfter: 2, failUndo: 1 });
    await api.waitForEnd(task.id);
    const { page, complaints } = await openDashboard(browser, server.url, {
      key: server.key,
      at: `/tasks/${task.id}`,
    });
    await page.getByRole("img", { name: /undone in .*: s2/ }).waitFor();
    await page.getByRole("img", { name: /could not be undone: Error: s1/ }).waitFor();
    expect(await page.locator(".stretch[data-kind=undo]").count()).toBe(2);
    expect(complaints).toEqual([]);
  });

  it("shows the tasks that it has made, on its timeline and by a list", async () => {
    const task = await api.submit("test.spawn", { task: "test.noop", input: null, n: 2 });
    await api.waitForEnd(task.id);
    const { page, complaints } = await openDashboard(browser, server.url, {
      key: server.key,
      at: `/tasks/${task.id}?tab=related`,
    });
    await expect.poll(() => page.locator(".stretch[data-kind=child]").count(), { timeout: SOON_MS }).toBe(2);
    await expect.poll(() => page.locator("#tab-panel [data-depth='1']").count(), { timeout: SOON_MS }).toBe(2);
    await page.getByRole("link", { name: "All tasks with the same root" }).click();
    await expect.poll(() => page.locator("tr[data-task]").count(), { timeout: SOON_MS }).toBe(3);
    await page.getByText("3 tasks").waitFor();
    await page.getByLabel("Order").selectOption("duration");
    // Which of them took longest is the machine's affair.
    const longest = (await api.listAll(`rootId=${task.id}&sort=duration`)).map(({ id }) => id);
    const rows = () =>
      page.locator("tr[data-task]").evaluateAll((all) => all.map((row) => row.getAttribute("data-task")));
    await expect.poll(rows, { timeout: SOON_MS }).toEqual(longest);
    expect(complaints).toEqual([]);
  });

  it("is submitted again with another input, by a form from its schema", async () => {
    const task = await api.waitForEnd((await api.submit("test.sleep", { ms: 1 }, { tags: { test: "form" } })).id);
    const { page, complaints } = await openDashboard(browser, server.url, {
      key: server.key,
      at: `/tasks/${task.id}`,
    });
    await page.getByRole("button", { name: "Submit with edited input…" }).click();
    await page.getByLabel("ms").fill("2");
    expect(await page.getByLabel("Tags").inputValue()).toBe("test=form");
    const changed = ['-   "ms": 1', '+   "ms": 2'];
    const differences = page.locator(".diff ins, .diff del");
    expect(await differences.allTextContents()).toEqual(changed);
    await page.getByRole("button", { name: "Submit test.sleep" }).click();
    await badge(page, "succeeded").waitFor();
    const [, id = ""] = /tasks\/(task_\w+)/.exec(page.url()) ?? [];
    expect(id).not.toBe(task.id);
    expect((await api.get<TaskResource>(`/v1/tasks/${id}`)).body.input).toEqual({ ms: 2 });
    await page.getByRole("button", { name: "Differences from the run before" }).click();
    await expect.poll(() => differences.allTextContents(), { timeout: SOON_MS }).toEqual(changed);
    await page.getByText("Nothing is different").waitFor();
    await page.reload();
    await expect.poll(() => differences.allTextContents(), { timeout: SOON_MS }).toEqual(changed);
    await page.getByRole("tab", { name: "Deliveries" }).click();
    await page.getByText("No endpoint was told of this task").waitFor();

    await show(page, "/submit");
    await page.getByText("Paste a curl line").click();
    await page.getByLabel("curl line, or its JSON").fill(`curl x -d '{"task":"test.sleep","input":{"ms":3}}'`);
    await page.getByRole("button", { name: "Fill in the form" }).click();
    await expect.poll(() => page.getByLabel("ms").inputValue(), { timeout: SOON_MS }).toBe("3");
    expect(complaints).toEqual([]);
  });
});

async function stepsOf(id: string): Promise<StepResource[]> {
  return (await api.get<{ items: StepResource[] }>(`/v1/tasks/${id}/steps`)).body.items;
}
