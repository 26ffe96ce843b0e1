/** The demo page in a real Chromium, against the real service: what a visitor sees first. */
import type { Browser, Locator, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { shareServer, type SharedServer } from "../http/shared-server.ts";
import { shareBrowser } from "./chromium.ts";
import { openTab, SOON_MS } from "./tab.ts";

/** A task of thirty seconds, on a machine that may be slow. */
const END_WITHIN_MS = 120_000;
/** The same, with an attempt lost on the way and its lease to run out first. */
const RESCUE_WITHIN_MS = 240_000;

/** A look costs the browser some milliseconds, and a task of the page takes a second for a step. */
const LOOKS = { timeout: SOON_MS, interval: 250 };

let browser: Browser;
let server: SharedServer;

beforeAll(async () => {
  [browser, server] = await Promise.all([shareBrowser(), shareServer()]);
});

afterAll(() => server?.stop());

describe("the demo page", () => {
  it(
    "shows a task live from its submission to its result, and one that is cancelled",
    async () => {
      const { page, complaints } = await openPage(server.url);
      expect(await page.locator("#empty").isVisible()).toBe(true);

      const first = await submit(page, "herb <b>garden</b>");
      expect(await page.locator("#empty").isVisible()).toBe(false);
      await watchItMove(first);

      const second = await submit(page, "weeds");
      await expectState(second, "running", SOON_MS);
      await second.getByRole("button", { name: "Cancel weeds" }).click();
      await expectState(second, "cancelled", SOON_MS);
      await second.getByRole("button").waitFor({ state: "hidden" });

      await expectState(first, "succeeded", END_WITHIN_MS);
      await expectResult(first, "Processed item herb <b>garden</b>");
      expect(await barOf(first)).toBe(1);

      await page.reload();
      await expectState(rowOf(page, "weeds"), "cancelled", SOON_MS);
      await expectResult(rowOf(page, "herb <b>garden</b>"), "Processed item herb <b>garden</b>");
      expect(complaints).toEqual([]);
    },
    END_WITHIN_MS + 4 * SOON_MS,
  );

  it(
    "goes on with a running task after a reload",
    async () => {
      const { page, complaints } = await openPage(server.url);
      await watchItMove(await submit(page, "perennial"));
      const before = await barOf(rowOf(page, "perennial"));
      await page.reload();
      expect(await barOf(rowOf(page, "perennial"))).toBeGreaterThanOrEqual(before);
      await watchItMove(rowOf(page, "perennial"));
      expect(complaints).toEqual([]);
    },
    4 * SOON_MS,
  );

  it(
    "follows more tasks than a browser has connections, and still submits",
    async () => {
      const { page, complaints } = await openPage(server.url);
      const names = Array.from({ length: 8 }, (_, i) => `seed ${i + 1}`);
      for (const name of names) await submit(page, name);
      await Promise.all(names.map((name) => watchItMove(rowOf(page, name))));
      expect(complaints).toEqual([]);
    },
    6 * SOON_MS,
  );

  it("says in the row that its link has expired", async () => {
    const { page } = await openPage(server.url);
    await page.route("**/v1/tasks/**", (route) =>
      route.fulfill({ status: 401, contentType: "application/problem+json", body: "{}" }),
    );
    const row = await submit(page, "last year's");
    await expectState(row, "lost", SOON_MS);
    expect(await row.textContent()).toContain("link to the task has expired");
  });

  it("says why a name is refused", async () => {
    const { page } = await openPage(server.url);
    await page.getByLabel("Item name").fill("x".repeat(201));
    await page.getByRole("button", { name: "Process item" }).click();
    await expect.poll(() => page.locator("#submit-status").textContent(), { timeout: SOON_MS }).toContain("200");
    expect(await page.getByLabel("Item name").getAttribute("aria-invalid")).toBe("true");
    expect(await page.locator("tr[data-task]").count()).toBe(0);
  });

  it("fits a narrow screen", async () => {
    const { page } = await openPage(server.url);
    await page.setViewportSize({ width: 360, height: 740 });
    await submit(page, "a-name-without-any-place-to-break-it-that-is-wider-than-the-screen");
    expect(await page.evaluate("document.documentElement.scrollWidth")).toBeLessThanOrEqual(360);
  });
});

it(
  "ends with the result although the server was killed and started again in the middle",
  async () => {
    const { page } = await openPage(server.url);
    const row = await submit(page, "survivor");
    await watchItMove(row);

    await server.kill9();
    await expect.poll(() => row.textContent(), LOOKS).toContain("reconnecting");
    await server.restart();

    await expectState(row, "succeeded", RESCUE_WITHIN_MS);
    await expectResult(row, "Processed item survivor");
  },
  RESCUE_WITHIN_MS + 4 * SOON_MS,
);

const openPage = (url: string) => openTab(browser, url, "/");

async function submit(page: Page, name: string): Promise<Locator> {
  await page.getByLabel("Item name").fill(name);
  await page.keyboard.press("Enter");
  const row = rowOf(page, name);
  await row.waitFor({ timeout: SOON_MS });
  return row;
}

function rowOf(page: Page, name: string): Locator {
  return page.locator("tr[data-task]").filter({ has: page.getByText(name, { exact: true }) });
}

function barOf(row: Locator): Promise<number> {
  return row.locator("progress").evaluate((bar) => (bar as HTMLProgressElement).value);
}

/** The bar takes three further values, each larger than the one before. */
async function watchItMove(row: Locator): Promise<void> {
  let last = await barOf(row);
  for (let step = 0; step < 3; step++) {
    await expect.poll(() => barOf(row), LOOKS).toBeGreaterThan(last);
    last = await barOf(row);
  }
}

async function expectState(row: Locator, state: string, timeout: number): Promise<void> {
  await row.and(row.page().locator(`[data-state="${state}"]`)).waitFor({ timeout });
}

async function expectResult(row: Locator, words: string): Promise<void> {
  await expect.poll(() => row.locator('[data-part="outcome"]').textContent(), LOOKS).toBe(words);
}
