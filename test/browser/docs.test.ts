/** The API reference in a real Chromium: nothing of it comes from elsewhere, and it submits a task. */
import type { Browser } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { shareServer, type SharedServer } from "../http/shared-server.ts";
import { shareBrowser } from "./chromium.ts";
import { openTab, SOON_MS } from "./tab.ts";

let browser: Browser;
let server: SharedServer;

beforeAll(async () => {
  [browser, server] = await Promise.all([shareBrowser(), shareServer()]);
});

afterAll(() => server?.stop());

describe("the API reference", () => {
  it(
    "shows every operation of the document, submits a task with the key that was entered, and asks no other host for anything",
    async () => {
      const { page, complaints } = await openTab(browser, server.url, "/docs");
      await page.locator("#operations-tasks-submitTask").waitFor({ timeout: SOON_MS });
      const document = (await (await fetch(`${server.url}/openapi.json`)).json()) as { paths: Record<string, object> };
      const operations = Object.values(document.paths).flatMap((path) => Object.keys(path));
      await expect
        .poll(() => page.locator(".opblock-tag-section .opblock").count(), { timeout: SOON_MS })
        .toBeGreaterThanOrEqual(operations.length);
      await page.emulateMedia({ colorScheme: "dark" });
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
});

describe("the page of a problem", () => {
  it("explains it to whoever follows a problem's type", async () => {
    const { page, complaints } = await openTab(browser, server.url, "/problems/quota-exceeded");
    expect(await page.getByRole("heading", { level: 1 }).textContent()).toContain("quota is reached");
    const margin = await page.locator("main").evaluate((main) => getComputedStyle(main).marginTop);
    expect(margin, "its style is loaded").toBe("64px");
    expect(complaints).toEqual([]);
  });
});
