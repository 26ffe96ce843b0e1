/** Opens the dashboard in a browser, signed in, and keeps everything that the page complains of. */
import { createRequire } from "node:module";
import { readFileSync } from "node:fs";
import type { Browser, Page } from "playwright-core";
import { expect, onTestFinished } from "vitest";

export const SOON_MS = 120_000;

export interface Opened {
  page: Page;
  /** Console errors, refusals by the policy, and requests that leave the service. */
  complaints: string[];
}

interface Options {
  key?: string;
  /** What stands behind the `#`. */
  at?: string;
  colorScheme?: "light" | "dark";
  width?: number;
}

/** A tab of its own; signed in where a key is given. */
export async function openDashboard(browser: Browser, url: string, options: Options = {}): Promise<Opened> {
  const { key, at = "", colorScheme = "light", width = 1_280 } = options;
  const context = await browser.newContext({ colorScheme, viewport: { width, height: 900 } });
  onTestFinished(() => context.close());
  const page = await context.newPage();
  page.setDefaultTimeout(SOON_MS);
  const complaints: string[] = [];
  page.on("console", (message) => {
    if (message.type() === "error") complaints.push(message.text());
  });
  page.on("pageerror", (error) => complaints.push(error.message));
  page.on("request", (request) => {
    if (new URL(request.url()).origin !== url) complaints.push(`asked ${request.url()}`);
  });
  await page.addInitScript(`
    document.addEventListener("securitypolicyviolation", (event) => {
      console.error("the policy refused " + event.blockedURI + " as " + event.violatedDirective);
    });
  `);
  const response = await page.goto(`${url}/dashboard${at === "" ? "" : `#${at}`}`);
  const policy = response?.headers()["content-security-policy"] ?? "";
  expect(policy).toContain("default-src 'self'");
  expect(policy).not.toContain("unsafe");
  if (key !== undefined) {
    await page.getByLabel("API key").fill(key);
    await page.keyboard.press("Enter");
    await page.getByRole("navigation", { name: "Views" }).waitFor();
  }
  return { page, complaints };
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
