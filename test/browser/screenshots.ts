/**
 * Takes a picture of every view of the dashboard, light and dark, at 1,280 and 390 pixels, to be looked at, and those of `docs/images`:
 *
 *   node test/browser/screenshots.ts [FOLDER]
 */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import type { BrowserContextOptions, Page } from "playwright-core";
import type { FlowResource } from "../../src/contract/flow.ts";
import { apiOf, type Api } from "../http/api.ts";
import { startServer } from "../http/server.ts";
import { launchChromium } from "./chromium.ts";

const folder = process.argv[2] ?? "dist/screenshots";
const SCHEMES = ["light", "dark"] as const;
const WIDTHS = [1_280, 390];

interface View {
  name: string;
  /** What stands behind the `#`. */
  at: string;
  /** What is there once it is drawn. */
  shows: string;
  /** What is done before the picture is taken. */
  prepare?: (page: Page) => Promise<void>;
}

/** Something of everything. Answers the views that show it. */
async function fill(api: Api): Promise<View[]> {
  const customers = ["acme", "globex", "initech"];
  const options = (i: number, more: object = {}) => ({ tags: { customer: customers[i % 3] }, ...more });
  await api.submitAll(
    Array.from({ length: 60 }, (_, i) => ({
      task: i % 3 === 0 ? "test.add" : "test.identity",
      input: i % 3 === 0 ? { x: i, y: 1 } : { value: { order: `A-${i}`, lines: [{ sku: "tea", count: i }] } },
      options: options(i),
    })),
  );
  const failures = await api.submitAll(
    ["order 17 is lost", "order 42 is lost", "the carrier answered 503", "no such customer: 7"].map((message, i) => ({
      task: "test.fail",
      input: { message, retryable: false },
      options: options(i),
    })),
  );
  const concurrency = { key: "customer:acme", limit: 1 };
  const holder = await api.submit("test.sleep", { ms: 600_000 }, options(0, { timeout: "14m", concurrency }));
  const held = await api.submit("test.add", { x: 1, y: 2 }, options(0, { concurrency }));
  const retry = { backoff: "fixed", base: "1s", jitter: "none" };
  const retried = await api.submit("test.failTimes", { times: 2 }, options(1, { maxAttempts: 3, retry }));
  const steps = await api.submit("test.steps", { steps: 4, failAfter: 3 }, options(2, { maxAttempts: 1 }));
  const logs = await api.submit("test.log", { lines: 12 }, options(1));
  const family = await api.submit("test.spawn", { task: "test.add", input: { x: 1, y: 2 }, n: 3 }, options(0));
  const approval = await api.submit("test.approval", {}, options(2));
  const later = await api.submit("test.identity", { value: 1 }, options(1, { delay: "2h" }));
  const inputs = Array.from({ length: 40 }, (_, i) => ({ value: i }));
  const graph = {
    dag: {
      fetch: { node: { task: "test.noop" } },
      parts: { node: { map: { task: "test.identity", inputs } }, needs: ["fetch"] },
      check: {
        node: { task: "test.fail", input: { message: "two totals differ", retryable: false } },
        needs: ["fetch"],
      },
      report: { node: { task: "test.noop" }, needs: ["parts", "check"] },
    },
  };
  const { body: flow } = await api.post<FlowResource>("/v1/flows", graph);
  const { body: hook } = await api.post<{ id: string }>("/v1/webhooks", { url: "http://127.0.0.1:9/told" });
  const put = (id: string, body: object) => api.call("PUT", `/v1/schedules/${id}`, { body });
  await put("nightly", { cron: "30 2 * * MON-FRI", timezone: "Europe/Oslo", task: "test.noop", input: null });
  await put("often", { every: "15s", task: "test.noop", input: null });
  await api.post("/v1/lanes/long/pause", { reason: "the partner is down" });
  const again = await api.submit("test.identity", { value: { order: "A-1", lines: [{ sku: "tea", count: 2 }] } });
  const told = await api.submit("test.noop", null);
  for (const { id } of [...failures, retried, steps, logs, family, again, told]) await api.waitForEnd(id);
  await api.waitUntil(holder.id, ({ state }) => state === "running");

  const task = (name: string, { id }: { id: string }, query = "", shows = ".timeline .stretch"): View => ({
    name: `task-${name}`,
    at: `/tasks/${id}${query}`,
    shows,
  });
  const opens = (button: string) => async (page: Page) => {
    await page.getByRole("button", { name: button }).first().click();
    await page.getByRole("dialog").waitFor();
  };
  return [
    { name: "now", at: "/now", shows: ".plot" },
    { name: "tasks", at: "/tasks", shows: "tr[data-task]" },
    {
      name: "tasks-filtered",
      at: "/tasks?f=state:failed%20tag.customer:acme&cols=state,task,why,input:/message,age",
      shows: "tr[data-task]",
    },
    { name: "tasks-nothing", at: "/tasks?f=state:expired%20tag.customer:acme", shows: ".empty ul li" },
    task("held", held),
    task("retried", retried),
    task("steps", steps),
    task("log", logs, "?tab=log", ".log li"),
    task("events", retried, "?tab=events", "#tab-panel tbody tr"),
    task("difference", again, "?diff=1", ".diff, #tab-panel .hint"),
    task("deliveries", told, "?tab=deliveries", "#tab-panel table"),
    task("related", family, "?tab=related", "#tab-panel tr[data-task]"),
    task("code", retried, "?tab=code", "#tab-panel pre"),
    { ...task("change", later), prepare: opens("Change…") },
    {
      ...task("retry", failures[0]),
      prepare: async (page) => {
        await opens("Run again…")(page);
        await page.getByRole("textbox", { name: "message" }).fill("order 18 is lost");
      },
    },
    {
      name: "tasks-beside",
      at: "/tasks?f=state:failed",
      shows: "tr[data-task]",
      prepare: async (page) => {
        await page.keyboard.press("j");
        await page.keyboard.press("o");
        await page.locator(".timeline .stretch").first().waitFor();
      },
    },
    {
      name: "tasks-bulk",
      at: "/tasks?f=tag.customer:acme",
      shows: "tr[data-task]",
      prepare: async (page) => {
        await page.keyboard.press("j");
        await page.keyboard.press("x");
        await page.keyboard.press("d");
        await page.locator("[data-matched]").waitFor();
      },
    },
    {
      name: "tasks-completion",
      at: "/tasks?f=&c=",
      shows: "tr[data-task]",
      prepare: async (page) => {
        await page.keyboard.press("/");
        await page.keyboard.type("state:");
        await page.getByRole("option").first().waitFor();
      },
    },
    { name: "flows", at: "/flows", shows: "tr[data-flow]" },
    { name: "flow", at: `/flows/${flow.id}`, shows: ".node" },
    { name: "flow-list", at: `/flows/${flow.id}?as=list`, shows: "tr[data-node]" },
    { name: "errors", at: "/errors", shows: "tr[data-error]" },
    { name: "inbox", at: "/inbox", shows: `tr[data-wait="${approval.id}"]` },
    { name: "inbox-answer", at: "/inbox?a=", shows: `tr[data-wait="${approval.id}"]`, prepare: opens("Answer…") },
    { name: "schedules", at: "/schedules", shows: "tr[data-schedule]" },
    { name: "schedule", at: "/schedules/nightly", shows: ".json" },
    { name: "schedule-new", at: "/schedules?n=", shows: "tr[data-schedule]", prepare: opens("New schedule…") },
    { name: "limits", at: "/limits", shows: "tr[data-limit]" },
    { name: "webhooks", at: "/webhooks", shows: "tbody tr" },
    { name: "webhook", at: `/webhooks/${hook.id}`, shows: "tbody tr" },
    { name: "keys", at: "/keys", shows: "h1" },
    { name: "audit", at: "/keys/audit", shows: "tbody tr" },
    { name: "submit", at: "/submit/process_item", shows: "form.submit" },
    {
      name: "keys-help",
      at: "/tasks?f=",
      shows: "tr[data-task]",
      prepare: async (page) => {
        await page.keyboard.press("?");
        await page.getByRole("dialog").waitFor();
      },
    },
    {
      name: "palette",
      at: "/tasks?f=&p=",
      shows: "tr[data-task]",
      prepare: async (page) => {
        await page.keyboard.press("Control+k");
        await page.keyboard.type("lim");
      },
    },
  ];
}

/** Of a tenant that has nothing yet. */
const EMPTY: View[] = ["now", "tasks", "flows", "errors", "inbox", "schedules", "limits", "webhooks", "submit"].map(
  (view) => ({ name: `empty-${view}`, at: `/${view}`, shows: "main h1, main h2, main .empty" }),
);

/** The pictures of `docs/images`, by their names: the view that each shows, and what is there once it is drawn. */
const DOCUMENTED = {
  "dashboard-tasks": ["tasks-bulk", '.col-why a[href*="limits"]'],
  "dashboard-task": ["task-held", ".why-sentence a"],
  "dashboard-flow": ["flow", ".node"],
} as const;

const [server, browser] = await Promise.all([startServer(), launchChromium()]);
try {
  mkdirSync(folder, { recursive: true });
  const api = apiOf(server);
  const views = await fill(api);
  const { body: fresh } = await api.post<{ key: string }>("/v1/keys", { name: "new", tenant: "new", scopes: ["read"] });
  for (const colorScheme of SCHEMES) {
    for (const width of WIDTHS) {
      const pathOf = (name: string) => join(folder, `${name}-${colorScheme}-${width}.png`);
      for (const [key, shown] of [
        [server.key, views],
        [fresh.key, EMPTY],
      ] as const) {
        const viewport = { width, height: width === 390 ? 844 : 900 };
        const page = await signedIn({ colorScheme, viewport }, key, pathOf("sign-in"));
        for (const view of shown) await take(page, view, pathOf(view.name));
        await page.context().close();
      }
    }
  }
  const page = await signedIn({ viewport: { width: 1_200, height: 620 } }, server.key);
  for (const [name, [view, shows]] of Object.entries(DOCUMENTED)) {
    await take(
      page,
      { ...views.find((each) => each.name === view)!, shows, prepare: async () => {} },
      join(folder, `${name}.png`),
    );
  }
  console.log(`${folder}: ${views.length + EMPTY.length + 1} views`);
} finally {
  await Promise.all([browser.close(), server.stop()]);
}

async function signedIn(options: BrowserContextOptions, key: string, path?: string): Promise<Page> {
  const page = await (await browser.newContext(options)).newPage();
  page.setDefaultTimeout(60_000);
  await page.goto(`${server.url}/dashboard`);
  await page.getByLabel("API key").waitFor();
  if (path !== undefined) await page.screenshot({ path });
  await page.getByLabel("API key").fill(key);
  await page.keyboard.press("Enter");
  await page.getByRole("navigation", { name: "Views" }).waitFor();
  return page;
}

async function take(page: Page, { name, at, shows, prepare }: View, path: string): Promise<void> {
  await page.evaluate(`location.hash = ${JSON.stringify(`#${at}`)}`);
  try {
    await page.locator(shows).first().waitFor();
    await prepare?.(page);
    await page.waitForTimeout(300);
  } catch (error) {
    console.error(`${name}: ${String(error)}`);
  }
  await page.screenshot({ path, fullPage: prepare === undefined });
  await page.keyboard.press("Escape");
  await page.keyboard.press("Escape");
}
