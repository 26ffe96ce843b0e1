/** Opens the dashboard in a browser, signed in, and keeps everything that the page complains of. */
import { createRequire } from "node:module";
import { readFileSync } from "node:fs";
import type { Browser, Locator, Page } from "playwright-core";
import { openTab, type Opened, type TabOptions } from "./tab.ts";

export { SOON_MS } from "./tab.ts";

interface Options extends TabOptions {
  key?: string;
  /** What stands behind the `#`. */
  at?: string;
}

/** The tab of the browser, at this view; signed in where a key is given. */
export async function openDashboard(browser: Browser, url: string, options: Options = {}): Promise<Opened> {
  const { key, at = "", ...more } = options;
  const opened = await openTab(browser, url, `/dashboard${at === "" ? "" : `#${at}`}`, more);
  if (key !== undefined) {
    const { page } = opened;
    await page.getByLabel("API key").fill(key);
    await page.keyboard.press("Enter");
    await navigation(page).waitFor();
  }
  return opened;
}

/** Goes to another view of the page that is open. */
export async function show(page: Page, at: string): Promise<void> {
  await page.evaluate(`location.hash = ${JSON.stringify(`#${at}`)}`);
}

const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

/** What axe finds wrong with the page as it is; `rule`: by that rule alone. */
export async function axeFaults(page: Page, rule?: string): Promise<string[]> {
  if (!(await page.evaluate("'axe' in window"))) await page.evaluate(axe);
  const options = rule === undefined ? {} : { runOnly: [rule] };
  return page.evaluate(`axe.run(${JSON.stringify(options)}).then(({ violations }) =>
    violations.flatMap(({ id, nodes }) => nodes.map(({ target, failureSummary }) => id + " at " + target + ": " + failureSummary)))`);
}

export function navigation(page: Page): Locator {
  return page.getByRole("navigation", { name: "Views" });
}

export function rowOf(page: Page, id: string): Locator {
  return page.locator(`tr[data-task="${id}"]`);
}

export function waitRow(page: Page, id: string): Locator {
  return page.locator(`tr[data-wait="${id}"]`);
}

/** The state in the heading of a task or flow. */
export function badge(page: Page, state: string): Locator {
  return page.locator(`h1 .badge[data-state="${state}"]`);
}

/** By how many pixels the page is wider than the window. */
export function overflow(page: Page): Promise<number> {
  return page.evaluate("document.documentElement.scrollWidth - innerWidth");
}
