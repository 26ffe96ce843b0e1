/** Twelve questions of an operator, and how the page answers each, from its first view on. */
import type { Locator, Page } from "playwright-core";
import type { Live } from "./live.ts";

/** One action: a click, a key (`g e` is one), or a line that is typed, with its Enter. */
export type Action = {
  does: string;
  act: (page: Page) => Promise<unknown>;
  /** What shows what came of it. */
  shows: (page: Page) => Locator;
};

export type Question = { asks: string; actions: Action[] };

const view = (name: string) => (page: Page) =>
  page.getByRole("navigation", { name: "Views" }).getByRole("link", { name, exact: true }).click();

const line = (text: string) => async (page: Page) => {
  await page.keyboard.insertText(text);
  await page.keyboard.press("Enter");
};

const rows = (page: Page) => page.locator("tr[data-task]").first();
const sentence = (text: RegExp) => (page: Page) => page.locator("article .why-sentence").filter({ hasText: text });

/** Opens a task by its id. */
const open = (id: string, shows: Action["shows"]): Action[] => [
  { does: "ctrl-k", act: (page) => page.keyboard.press("Control+k"), shows: (page) => page.getByLabel("Name or id") },
  { does: "its id", act: line(id), shows },
];

/** Lists tasks by a filter. */
const find = (filter: string, shows: Action["shows"] = rows): Action[] => [
  { does: "Tasks", act: view("Tasks"), shows: rows },
  { does: "/", act: (page) => page.keyboard.press("/"), shows: (page) => page.locator("input[role=combobox]:focus") },
  { does: filter, act: line(filter), shows },
];

export const questionsOn = ({ waits, holder, failedFlow }: Live): Question[] => [
  { asks: "Why does this task wait?", actions: open(waits, sentence(/places|slots|held/)) },
  {
    asks: "Who blocks it?",
    actions: [
      ...open(waits, (page) => page.locator("article .why-sentence a").first()),
      {
        does: "the link in the sentence",
        act: (page) => page.locator("article .why-sentence a").first().click(),
        shows: (page) => page.locator("article .head[data-state=running]"),
      },
    ],
  },
  {
    asks: "What failed last night, and is it the same error?",
    actions: [
      {
        does: "Errors",
        act: view("Errors"),
        shows: (page) => page.locator("tr[data-error]").filter({ hasText: "the backup holds the table" }),
      },
      {
        does: "its number of tasks",
        act: (page) =>
          page
            .locator("tr[data-error]")
            .filter({ hasText: "the backup holds the table" })
            .locator("td.number a")
            .click(),
        shows: (page) => page.locator("tr[data-task][data-state=failed]").first(),
      },
    ],
  },
  {
    asks: "What broke since the deploy?",
    actions: [
      { does: "Errors", act: view("Errors"), shows: (page) => page.locator("tr[data-error]").first() },
      {
        does: "new in: 1h",
        act: (page) => page.getByLabel("New in").selectOption("1h"),
        shows: (page) =>
          page.locator("tr[data-error]:only-child, tr[data-error]").filter({ hasText: "cannot read properties" }),
      },
    ],
  },
  {
    asks: "Which customer floods?",
    actions: [
      {
        does: "Now",
        act: view("Now"),
        shows: (page) => page.locator("tr[data-limit]").filter({ hasText: "customer:42" }),
      },
    ],
  },
  {
    asks: "Is the schedule running?",
    actions: [
      {
        does: "Schedules",
        act: view("Schedules"),
        shows: (page) => page.locator("tr[data-schedule=nightly-report] .dot").first(),
      },
    ],
  },
  {
    asks: "Which lane is held back, and why?",
    actions: [
      {
        does: "Limits",
        act: view("Limits"),
        shows: (page) => page.locator("tr[data-lane=bulk]").filter({ hasText: "the warehouse moves" }),
      },
    ],
  },
  {
    asks: "What runs right now, and since when?",
    actions: [
      {
        does: "the number of running tasks",
        act: (page) => page.locator(".tiles a[data-state=running]").click(),
        shows: (page) => page.locator(`tr[data-task="${holder}"]`),
      },
    ],
  },
  {
    asks: "How many of one task failed in the last hour, and which?",
    actions: [
      {
        does: "the number in the row of test.fail",
        act: (page) =>
          page
            .getByRole("row")
            .filter({ has: page.getByRole("rowheader", { name: "test.fail", exact: true }) })
            .locator("td[data-title='Failed, 1 h'] a")
            .click(),
        shows: (page) => page.locator("tr[data-task][data-state=failed]").first(),
      },
    ],
  },
  {
    asks: "What waits for a person?",
    actions: [{ does: "Inbox", act: view("Inbox"), shows: (page) => page.locator("tr[data-wait]").first() }],
  },
  {
    asks: "Where did the flow fail?",
    actions: [
      {
        does: "ctrl-k",
        act: (page) => page.keyboard.press("Control+k"),
        shows: (page) => page.getByLabel("Name or id"),
      },
      {
        does: "its id",
        act: line(failedFlow),
        shows: (page) => page.getByRole("button", { name: "To the first failure" }),
      },
      {
        does: "e",
        act: (page) => page.keyboard.press("e"),
        shows: (page) => page.locator(".head .error").filter({ hasText: "one of many" }),
      },
    ],
  },
  {
    asks: "What did this customer's tasks fail with today?",
    actions: find("tag.customer:7 state:failed created:24h", (page) =>
      page.locator("tr[data-task][data-state=failed]").first(),
    ),
  },
];

/** Everything else that the page shows, so that each of its calls is seen. */
export const placesOn = ({ waits, holder, failedFlow }: Live): string[] => [
  "/now?span=24h",
  "/now?span=30d",
  "/now?span=365d",
  "/tasks",
  "/tasks?sort=finished",
  "/tasks?sort=duration",
  "/tasks?f=state:queued",
  "/tasks?f=state:scheduled,waiting,retrying",
  "/tasks?f=state:failed",
  "/tasks?f=task:test.add",
  "/tasks?f=lane:bulk%20state:queued",
  "/tasks?f=tag.customer:7",
  "/tasks?f=tag.customer:nobody",
  "/tasks?f=run:5m",
  "/tasks?f=finished:1h",
  "/tasks?f=error:timeout",
  "/tasks?f=schedule:nightly-report",
  `/tasks?f=flow:${failedFlow}`,
  `/tasks?f=root:${holder}`,
  ...["values", "log", "events", "related", "deliveries", "code"].map((tab) => `/tasks/${waits}?tab=${tab}`),
  "/flows",
  "/flows?state=running",
  `/flows/${failedFlow}`,
  `/flows/${failedFlow}?as=list`,
  "/errors",
  "/errors?state=all",
  "/inbox",
  "/schedules",
  "/schedules/nightly-report",
  "/limits",
  "/webhooks",
  "/keys",
  "/keys/audit",
  "/submit/process_item",
];
