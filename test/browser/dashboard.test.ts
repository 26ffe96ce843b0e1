/** The dashboard in a real Chromium, against the real service: what an operator sees and does. */
import type { Browser, Locator, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { FlowResource } from "../../src/contract/flow.ts";
import type { StepResource } from "../../src/contract/step.ts";
import type { TaskList, TaskResource } from "../../src/contract/task.ts";
import { apiOf, type Api } from "../http/api.ts";
import { shareServer, type SharedServer } from "../http/shared-server.ts";
import { launchChromium } from "./chromium.ts";
import { axeFaults, openDashboard, show, SOON_MS } from "./dashboard-page.ts";

let browser: Browser;
let server: SharedServer;
let api: Api;

beforeAll(async () => {
  [browser, server] = await Promise.all([launchChromium(), shareServer()]);
  api = apiOf(server);
});

afterAll(async () => {
  await Promise.all([browser?.close(), server?.stop()]);
});

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
    expect(await page.getByRole("tab", { name: "Deliveries" }).count()).toBe(0);
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

  it("says of a filter that finds nothing which term excludes the most", async () => {
    const tags = { test: "nothing" };
    await api.submit("test.noop", null, { tags, delay: "1h" });
    const { page } = await openDashboard(browser, server.url, {
      key: server.key,
      at: "/tasks?f=tag.test:nothing%20state:expired",
    });
    await page.getByText("No task fits this filter").waitFor();
    await page.getByRole("listitem").filter({ hasText: "state:expired" }).getByRole("link").click();
    await expect.poll(() => page.locator("tr[data-task]").count(), { timeout: SOON_MS }).toBe(1);
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
    await page.locator(".why-sentence").filter({ hasText: "the-only-place has all of its 1 places taken" }).waitFor();
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
    await dialog.getByLabel("Input").fill('{"message": "again", "retryable": false}');
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

  it("shows the tasks that it has made, on its timeline and by a list", async () => {
    const task = await api.submit("test.spawn", { task: "test.noop", input: null, n: 2 });
    await api.waitForEnd(task.id);
    const { page, complaints } = await openDashboard(browser, server.url, {
      key: server.key,
      at: `/tasks/${task.id}?tab=related`,
    });
    await expect.poll(() => page.locator(".stretch[data-kind=child]").count(), { timeout: SOON_MS }).toBe(2);
    await page.getByRole("link", { name: "All that goes back to the same task" }).click();
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
    await page.getByRole("button", { name: "Submit test.sleep" }).click();
    await badge(page, "succeeded").waitFor();
    const [, id = ""] = /tasks\/(task_\w+)/.exec(page.url()) ?? [];
    expect(id).not.toBe(task.id);
    expect((await api.get<TaskResource>(`/v1/tasks/${id}`)).body.input).toEqual({ ms: 2 });
    expect(complaints).toEqual([]);
  });

  it("shows what others have written as text, whatever it is", async () => {
    const evil = `<script>window.hit = 1</script><img src=x onerror="window.hit = 1"> "quoted" \u202Ereversed\u202C ${"long ".repeat(2_000)}`;
    const task = await api.submit(
      "test.fail",
      { message: evil, retryable: false },
      { tags: { evil: evil.slice(0, 200) } },
    );
    await api.waitForEnd(task.id);
    const { page, complaints } = await openDashboard(browser, server.url, {
      key: server.key,
      at: "/tasks?f=state:failed&cols=state,task,why,tags,input",
    });
    await rowOf(page, task.id).waitFor();
    expect(await rowOf(page, task.id).textContent()).toContain("<script>window.hit");
    await show(page, `/tasks/${task.id}`);
    await page.locator(".head .error").filter({ hasText: "<script>window.hit" }).waitFor();
    await show(page, `/tasks/${task.id}?tab=events`);
    await page.getByRole("cell", { name: "done" }).waitFor();
    expect(await page.evaluate("window.hit")).toBe(undefined);
    expect(await overflow(page)).toBeLessThanOrEqual(0);
    expect(complaints).toEqual([]);
  });
});

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
  await show(page, "/errors");
  const row = page.locator("tr[data-error]").filter({ hasText: "order # is lost" });
  await row.getByRole("link", { name: "2", exact: true }).waitFor();
  await row.getByRole("button", { name: "Resolve…" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "It is mended" }).click();
  await row.waitFor({ state: "detached" });
  await page.getByLabel("State").selectOption("resolved");
  await row.getByRole("link", { name: "2", exact: true }).click();
  await expect.poll(() => page.locator("tr[data-task]").count(), { timeout: SOON_MS }).toBe(2);
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

function navigation(page: Page): Locator {
  return page.getByRole("navigation", { name: "Views" });
}

function rowOf(page: Page, id: string): Locator {
  return page.locator(`tr[data-task="${id}"]`);
}

function waitRow(page: Page, id: string): Locator {
  return page.locator(`tr[data-wait="${id}"]`);
}

async function stepsOf(id: string): Promise<StepResource[]> {
  return (await api.get<{ items: StepResource[] }>(`/v1/tasks/${id}/steps`)).body.items;
}

function badge(page: Page, state: string): Locator {
  return page.locator(`h1 .badge[data-state="${state}"]`);
}

/** By how many pixels the page is wider than the window. */
function overflow(page: Page): Promise<number> {
  return page.evaluate("document.documentElement.scrollWidth - innerWidth");
}

async function countOf(test: string, state: string): Promise<number> {
  const { body } = await api.get<TaskList>(`/v1/tasks?tag.test=${test}&state=${state}&limit=200`);
  return body.items.length;
}

async function keyWith(scopes: string[]): Promise<string> {
  const { body } = await api.post<{ key: string }>("/v1/keys", { name: "of a test", scopes });
  return body.key;
}
