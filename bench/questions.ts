/**
 * `npm run questions -- [--tasks 1000000] [--rounds 5] [--keep DIR]`: asks the dashboard twelve questions of an operator in a real browser, with a
 * million tasks in the database, and prints how many actions and how long each answer takes, and the rows that each call of the page
 * reads. Exits with 1 where a question takes more than three actions or a call reads more than 5,000 rows.
 */
import { existsSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import type { Browser, Page } from "playwright-core";
import { build } from "../scripts/build.ts";
import { launchChromium } from "../test/browser/chromium.ts";
import { placesOn, questionsOn, type Question } from "./questions/asked.ts";
import { fill, runTemplates } from "./questions/fill.ts";
import { goLive } from "./questions/live.ts";
import { KEY, startCounted, type Counted, type Reads } from "./questions/server.ts";
import { median } from "./report/statistics.ts";

const MOST_ACTIONS = 3;
const MOST_ROWS = 5_000;
const SHOWN_WITHIN_MS = 60_000;

/** A view reads again every few seconds; this long nothing has been asked for when it is settled. */
const SETTLED_MS = 700;

type Answered = { question: Question; ms: number[] };

const { values } = parseArgs({
  options: {
    tasks: { type: "string", default: "1000000" },
    rounds: { type: "string", default: "5" },
    keep: { type: "string" },
  },
});

await build();
const persist = values.keep ?? (await mkdtemp(join(tmpdir(), "lovage-questions-")));
let service: Counted | undefined;
let browser: Browser | undefined;
try {
  if (!existsSync(join(persist, "v3"))) await prepare(Number(values.tasks));
  service = await startCounted(persist);
  const live = await goLive(service.http);
  browser = await launchChromium();
  const page = await signedIn(browser, service.url);
  await service.reads();

  const answered: Answered[] = [];
  for (const question of questionsOn(live)) {
    const ms: number[] = [];
    for (let round = 0; round < Number(values.rounds); round++) ms.push(await answer(page, question));
    answered.push({ question, ms });
  }
  for (const place of placesOn(live)) {
    await show(page, place);
    await settled(page);
  }
  process.exitCode = report(answered, await service.reads()) ? 0 : 1;
} finally {
  await browser?.close();
  await service?.stop();
  if (values.keep === undefined) await rm(persist, { recursive: true, force: true });
}

async function prepare(count: number): Promise<void> {
  const first = await startCounted(persist);
  const templates = await runTemplates(first.http);
  await first.stop();
  const began = performance.now();
  fill(persist, templates, count);
  console.log(`${count} tasks stored in ${Math.round((performance.now() - began) / 1_000)} s`);
}

async function signedIn(from: Browser, url: string): Promise<Page> {
  const page = await (await from.newContext({ viewport: { width: 1_280, height: 900 } })).newPage();
  page.setDefaultTimeout(SHOWN_WITHIN_MS);
  await page.goto(`${url}/dashboard`);
  await page.getByLabel("API key").fill(KEY);
  await page.keyboard.press("Enter");
  await page.getByRole("navigation", { name: "Views" }).waitFor();
  return page;
}

async function show(page: Page, place: string): Promise<void> {
  await page.evaluate(`location.hash = ${JSON.stringify(`#${place}`)}`);
}

/** Waits until the page has what it asked for; streams go on. */
async function settled(page: Page): Promise<void> {
  await page.waitForTimeout(SETTLED_MS);
}

/** The time that the page takes from each action to what it shows, in ms. */
async function answer(page: Page, { actions }: Question): Promise<number> {
  await page.mouse.move(0, 0);
  await show(page, "/now");
  await page.locator(".health[data-verdict]").waitFor();
  await page.locator(".tiles a").first().waitFor();
  await settled(page);
  let ms = 0;
  for (const { act, shows } of actions) {
    const began = performance.now();
    await act(page);
    await shows(page).first().waitFor();
    ms += performance.now() - began;
  }
  return ms;
}

function report(answered: readonly Answered[], reads: readonly Reads[]): boolean {
  console.log("\n| question | actions | | ms, median | most |\n|---|---|---|---|---|");
  for (const { question, ms } of answered) {
    const does = question.actions.map((action) => action.does).join(", ");
    console.log(
      `| ${question.asks} | ${question.actions.length} | ${does} | ${Math.round(median(ms))} | ${Math.round(Math.max(...ms))} |`,
    );
  }
  console.log("\n| call | times | statements | rows, median | most |\n|---|---|---|---|---|");
  const calls = Map.groupBy(reads, nameOf);
  for (const [name, own] of [...calls].toSorted(([a], [b]) => (a < b ? -1 : 1))) {
    const rows = own.map((each) => each.rows);
    const statements = Math.max(...own.map((each) => each.statements));
    console.log(`| ${name} | ${own.length} | ${statements} | ${Math.round(median(rows))} | ${Math.max(...rows)} |`);
  }
  const slow = answered.filter(({ question }) => question.actions.length > MOST_ACTIONS);
  const dear = [...calls].filter(([, own]) => own.some((each) => each.rows > MOST_ROWS));
  for (const { question } of slow) console.error(`more than ${MOST_ACTIONS} actions: ${question.asks}`);
  for (const [name] of dear) console.error(`more than ${MOST_ROWS} rows: ${name}`);
  return slow.length === 0 && dear.length === 0;
}

/** The call without what differs from one to the next. */
function nameOf({ method, path }: Reads): string {
  const [where = "", query = ""] = path.split("?");
  const names = [...new URLSearchParams(query)].map(([name, value]) =>
    ["state", "sort", "span", "count", "task"].includes(name) ? `${name}=${value}` : name,
  );
  const place = where.replace(/\/(task|flow|wh|err)_\w+/, "/{id}").replace(/(schedules)\/[^/]+/, "$1/{id}");
  return `${method} ${place}${names.length === 0 ? "" : ` ${[...new Set(names)].join(" ")}`}`;
}
