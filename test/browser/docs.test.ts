/** The API reference in a real Chromium: nothing of it comes from elsewhere, and it submits a task. */
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { shareServer, type SharedServer } from "../http/shared-server.ts";
import { launchChromium } from "./chromium.ts";

const SOON_MS = 120_000;

let browser: Browser;
let server: SharedServer;

beforeAll(async () => {
  [browser, server] = await Promise.all([launchChromium(), shareServer()]);
});

afterAll(async () => {
  await Promise.all([browser?.close(), server?.stop()]);
});

describe("the API reference", () => {
  it(
    "submits a task with the key that was entered, and asks nobody else for anything",
    async () => {
      const { page, complaints } = await openDocs("light");
      await page.getByRole("button", { name: "Authorize" }).first().click();
      await page.locator(".modal-ux input").first().fill(server.key);
      await page.locator(".modal-ux").getByRole("button", { name: "Apply credentials" }).first().click();
      await page.locator(".modal-ux").getByRole("button", { name: "Close" }).first().click();

      const submit = page.locator("#operations-tasks-submitTask");
      await submit.locator(".opblock-summary-control").click();
      await submit.getByRole("button", { name: "Execute" }).click();
      const live = submit.locator(".live-responses-table");
      await live.waitFor({ timeout: SOON_MS });
      expect(await live.locator("tbody .response-col_status").first().textContent()).toContain("202");
      const id = /"id": "(task_\w+)"/.exec((await live.textContent()) ?? "")?.[1];

      const read = await fetch(`${server.url}/v1/tasks/${id}`, { headers: { authorization: `Bearer ${server.key}` } });
      expect(await read.json()).toMatchObject({ id, task: "process_item" });
      expect(complaints).toEqual([]);
    },
    4 * SOON_MS,
  );

  it("shows every operation of the document", async () => {
    const { page, complaints } = await openDocs("dark");
    const document = (await (await fetch(`${server.url}/openapi.json`)).json()) as { paths: Record<string, object> };
    const operations = Object.values(document.paths).flatMap((path) => Object.keys(path));
    await expect
      .poll(() => page.locator(".opblock-tag-section .opblock").count(), { timeout: SOON_MS })
      .toBeGreaterThanOrEqual(operations.length);
    expect(complaints).toEqual([]);
  });
});

describe("the page of a problem", () => {
  it("explains it to whoever follows a problem's type", async () => {
    const { page, complaints } = await open("/problems/quota-exceeded", "light");
    expect(await page.getByRole("heading", { level: 1 }).textContent()).toContain("as much as it may have");
    const margin = await page.locator("main").evaluate((main) => getComputedStyle(main).marginTop);
    expect(margin, "its style is loaded").toBe("64px");
    expect(complaints).toEqual([]);
  });
});

async function openDocs(colorScheme: "light" | "dark") {
  const opened = await open("/docs", colorScheme);
  await opened.page.locator("#operations-tasks-submitTask").waitFor({ timeout: SOON_MS });
  return opened;
}

/** A tab of its own, and everything that it complains of: console errors, refusals by the policy, requests that leave the house. */
async function open(path: string, colorScheme: "light" | "dark"): Promise<{ page: Page; complaints: string[] }> {
  const context = await browser.newContext({ colorScheme, viewport: { width: 1280, height: 900 } });
  onTestFinished(() => context.close());
  const page = await context.newPage();
  const complaints: string[] = [];
  page.on("console", (message) => {
    if (message.type() === "error") complaints.push(message.text());
  });
  page.on("pageerror", (error) => complaints.push(error.message));
  page.on("request", (request) => {
    const { origin, protocol } = new URL(request.url());
    if (origin !== server.url && protocol !== "data:") complaints.push(`asked ${request.url()}`);
  });
  await page.addInitScript(`
    document.addEventListener("securitypolicyviolation", (event) => {
      console.error("the policy refused " + event.blockedURI + " as " + event.violatedDirective);
    });
  `);
  const response = await page.goto(server.url + path);
  const policy = response?.headers()["content-security-policy"] ?? "";
  expect(policy).toContain("default-src 'self'");
  expect(policy).not.toContain("unsafe");
  return { page, complaints };
}
