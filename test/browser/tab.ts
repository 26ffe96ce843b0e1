/**
 * The tab of the shared browser. A new one costs more than a second of CPU, for a process and for scripts that the last one has compiled
 * already, so the tests of a process take turns on one. Each loads its page anew, and finds nothing of what the one before has stored.
 */
import type { Browser, Page } from "playwright-core";
import { expect, onTestFinished } from "vitest";

export const SOON_MS = 120_000;

export interface Opened {
  page: Page;
  /** Console errors, refusals by the policy, and requests that leave the service. The last two fail the test by themselves. */
  complaints: string[];
}

export interface TabOptions {
  colorScheme?: "light" | "dark";
  width?: number;
}

interface Tab {
  page: Page;
  /** Of the page that is open. */
  origin: string;
  complaints: string[];
}

/** How what no page may do begins. */
const BREACHES = ["the policy refused", "asked"] as const;

const tabs = new WeakMap<Browser, Promise<Tab>>();

/** Loads this page of a service; the tab is the test's until it ends. */
export async function openTab(browser: Browser, url: string, path: string, options: TabOptions = {}): Promise<Opened> {
  const { colorScheme = "light", width = 1_280 } = options;
  let tab = tabs.get(browser);
  if (tab === undefined) tabs.set(browser, (tab = newTab(browser)));
  const { page } = await tab;
  await page.unrouteAll({ behavior: "ignoreErrors" });
  await page.context().setOffline(false);
  await page.setViewportSize({ width, height: 900 });
  await page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
  // A list under the pointer holds its rows.
  await page.mouse.move(0, 0);
  // From a page that stores nothing.
  await page.goto(`${url}/health`);
  await page.evaluate("localStorage.clear(); sessionStorage.clear()");
  const complaints: string[] = [];
  Object.assign(await tab, { origin: url, complaints });
  onTestFinished(() =>
    expect(complaints.filter((each) => BREACHES.some((words) => each.startsWith(words)))).toEqual([]),
  );
  const response = await page.goto(url + path);
  const policy = response?.headers()["content-security-policy"] ?? "";
  expect(policy).toContain("default-src 'self'");
  expect(policy).not.toContain("unsafe");
  return { page, complaints };
}

async function newTab(browser: Browser): Promise<Tab> {
  // What pulses would be drawn sixty times a second, without a graphics card.
  const context = await browser.newContext({ reducedMotion: "reduce" });
  const page = await context.newPage();
  page.setDefaultTimeout(SOON_MS);
  const tab: Tab = { page, origin: "", complaints: [] };
  page.on("console", (message) => {
    if (message.type() === "error") tab.complaints.push(message.text());
  });
  page.on("pageerror", (error) => tab.complaints.push(error.message));
  page.on("request", (request) => {
    const { origin, protocol } = new URL(request.url());
    if (origin !== tab.origin && protocol !== "data:") tab.complaints.push(`${BREACHES[1]} ${request.url()}`);
  });
  await page.addInitScript(`
    document.addEventListener("securitypolicyviolation", (event) => {
      console.error("${BREACHES[0]} " + event.blockedURI + " as " + event.violatedDirective);
    });
  `);
  return tab;
}
