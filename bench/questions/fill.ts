/**
 * Fills a database with copies of real tasks that have ended, over six days: several types, lanes, tenants, customers and errors, with
 * the figures and groups of errors that they would have left, and with flows.
 */
import { globSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { countAttempt, countEnd, type Counts } from "../../src/core/counts.ts";
import { firstIdAt } from "../../src/core/id-time.ts";
import type { TerminalState } from "../../src/core/states.ts";
import { bodyOf, type Http } from "../load/http.ts";

const MINUTE_MS = 60_000;
const HOUR_MS = 3_600_000;
const DAY_MS = 86_400_000;

/** Younger than the usual retention, so that nothing is purged meanwhile. */
const SPAN_MS = 6 * DAY_MS;

/** When the latest deployment was, before the end. */
const DEPLOYED_MS = 20 * MINUTE_MS;

const FLOWS = 20_000;
const CUSTOMERS = 2_000;
const ENDS_WITHIN_MS = 60_000;

/** `share`: of a thousand. `when`: those of a time of their own come on top. */
type Kind = { share: number; when?: "night" | "deployed"; submission: object };

const failing = (message: string) => ({ task: "test.fail", input: { message, retryable: false } });

const KINDS: Kind[] = [
  { share: 400, submission: { task: "test.identity", input: { value: { order: 4711, herbs: ["thyme", "basil"] } } } },
  { share: 200, submission: { task: "process_item", input: { name: "herb garden", steps: 1, pause: "1ms" } } },
  {
    share: 150,
    submission: { task: "csv.summarize", input: { csv: "herb,height\nthyme,12\n" }, options: { lane: "bulk" } },
  },
  { share: 150, submission: { task: "test.add", input: { x: 1, y: 2 }, options: { lane: "high" } } },
  { share: 70, submission: { task: "test.steps", input: { steps: 2 } } },
  { share: 6, submission: failing("order 4711 is lost") },
  { share: 6, submission: failing("the upstream answered 503") },
  { share: 6, submission: failing("no herb is called 'parsley'") },
  { share: 6, submission: { task: "process_item", input: { name: "beans" }, options: { delay: "1h" } } },
  { share: 300, when: "night", submission: failing("the backup holds the table 17") },
  { share: 50, when: "deployed", submission: failing("cannot read properties of undefined (reading 'height')") },
];

type Template = Kind & { id: string; task: string; lane: string; state: TerminalState; group: string | null };

/** Runs one task of each kind, and a flow; answers its id. One that is to start later is cancelled. */
export async function runTemplates(http: Http): Promise<{ ids: string[]; flow: string }> {
  const ids: string[] = [];
  for (const { submission } of KINDS) {
    const { id, state } = bodyOf<{ id: string; state: string }>(await http.post("/v1/tasks", submission), 202);
    if (state === "scheduled") bodyOf(await http.post(`/v1/tasks/${id}/cancel`, {}), 200);
    ids.push(id);
  }
  const nodes = Array.from({ length: 2 }, () => ({ task: "test.noop" }));
  const flow = bodyOf<{ id: string }>(await http.post("/v1/flows", { group: nodes }), 202).id;
  for (const path of [...ids.map((id) => `/v1/tasks/${id}`), `/v1/flows/${flow}`]) await untilEnded(http, path);
  // Writes down what was counted.
  bodyOf(await http.get("/v1/stats"), 200);
  return { ids, flow };
}

export async function untilEnded(http: Http, path: string): Promise<void> {
  const deadline = Date.now() + ENDS_WITHIN_MS;
  while (bodyOf<{ finishedAt: string | null }>(await http.get(path), 200).finishedAt === null) {
    if (Date.now() > deadline) throw new Error(`${path} does not end`);
    await new Promise((done) => setTimeout(done, 50));
  }
}

/** Copies them while the service does not run, until there are `count`. */
export function fill(persist: string, templates: { ids: string[]; flow: string }, count: number): void {
  const [file] = globSync(join(persist, "v3/d1/*/*.sqlite")).filter((path) => !path.endsWith("metadata.sqlite"));
  if (file === undefined) throw new Error(`no database below ${persist}`);
  const db = new DatabaseSync(file);
  const end = Date.now() - MINUTE_MS;
  db.exec("BEGIN");
  const kinds = KINDS.map((kind, i): Template => {
    const row = db
      .prepare('SELECT id, task, lane, state, error_group AS "group" FROM tasks WHERE id = ?')
      .get(templates.ids[i]);
    return { ...kind, ...(row as Omit<Template, keyof Kind>) };
  });
  const figures = new Figures();
  const copy = db.prepare(copyTask(db));
  const random = randomOf(15);
  for (let n = 1; n <= count; n++) {
    const at = Math.floor(end - SPAN_MS * (1 - n / count));
    const kind = pick(kinds, at, end, random());
    const runMs = random() < 0.0005 ? 600_000 : Math.ceil(5 + 500 * random() ** 4);
    const tenant = random() < 0.8 ? "default" : random() < 0.7 ? "acme" : "globex";
    // Some customers have much more than others.
    const customer = Math.floor(CUSTOMERS * random() ** 3);
    const tags = JSON.stringify({ customer: String(customer), region: customer % 2 === 0 ? "eu" : "us" });
    const id = idAt("task", at, n);
    copy.run(id, at, kind.id, tenant, tags, runMs);
    if (tenant === "default") figures.add(kind, id, at, runMs);
  }
  figures.write(db, end);
  copyFlows(db, templates.flow, end);
  db.exec("COMMIT");
  db.close();
}

function idAt(prefix: string, at: number, n: number): string {
  return firstIdAt(prefix, at).slice(0, -16) + String(n).padStart(16, "0");
}

function pick(kinds: readonly Template[], at: number, end: number, random: number): Template {
  const hour = new Date(at).getUTCHours();
  const isLastNight = end - at < DAY_MS && hour >= 1 && hour < 3;
  const own = kinds.find(({ when }) =>
    when === "night" ? isLastNight : when === "deployed" && end - at < DEPLOYED_MS,
  );
  let left = random * 1_000;
  if (own !== undefined && (left -= own.share) < 0) return own;
  left = (((left * 7_919) % 1_000) + 1_000) % 1_000;
  return kinds.find(({ when, share }) => when === undefined && (left -= share) < 0) ?? kinds[0];
}

/** The template with another id (?1), as if it had been made at ?2, for the tenant ?4 with the tags ?5, and had run for ?6 ms. */
function copyTask(db: DatabaseSync): string {
  const given: Record<string, string> = {
    id: "?1",
    tenant: "?4",
    tags: "?5",
    root_id: "iif(root_id IS NULL, NULL, ?1)",
    // A copy has no object that is to be told, and no timer for that.
    object: "0",
    due_at: "NULL",
    created_at: "?2",
    run_at: "?2",
    started_at: "iif(started_at IS NULL, NULL, ?2 + 20)",
    finished_at: "?2 + 20 + ?6",
    retain_until: "?2 + 20 + ?6 + retention_ms",
    history:
      "iif(attempt = 0, history, json_set(history, '$[#-1].startedAt', ?2 + 20, '$[#-1].finishedAt', ?2 + 20 + ?6))",
  };
  const columns = namesOf(db, "tasks");
  return `INSERT INTO tasks (${columns.join(", ")}) SELECT ${columns.map((name) => given[name] ?? name).join(", ")}
    FROM tasks WHERE id = ?3`;
}

function copyFlows(db: DatabaseSync, id: string, end: number): void {
  const columns = namesOf(db, "flows");
  const given: Record<string, string> = {
    id: "?1",
    created_at: "?2",
    finished_at: "?2 + 100",
    retain_until: `?2 + ${7 * DAY_MS}`,
    tenant: "?4",
  };
  const copy =
    db.prepare(`INSERT INTO flows (${columns.join(", ")}) SELECT ${columns.map((name) => given[name] ?? name).join(", ")}
    FROM flows WHERE id = ?3`);
  for (let n = 1; n <= FLOWS; n++) {
    const at = Math.floor(end - SPAN_MS * (1 - n / FLOWS));
    copy.run(idAt("flow", at, n), at, id, n % 5 === 0 ? "acme" : "default");
  }
}

function namesOf(db: DatabaseSync, table: string): string[] {
  return (db.prepare(`SELECT name FROM pragma_table_info('${table}')`).all() as { name: string }[]).map(
    ({ name }) => name,
  );
}

/** What the service would have counted of the default tenant's tasks. */
class Figures {
  readonly #minutes = new Map<number, Counts>();
  readonly #hours = new Map<number, Counts>();
  readonly #groups = new Map<string, { count: number; firstAt: number; lastAt: number; samples: string[] }>();

  add({ task, lane, state, group }: Template, id: string, at: number, runMs: number): void {
    for (const [spans, ms] of [
      [this.#minutes, MINUTE_MS],
      [this.#hours, HOUR_MS],
    ] as const) {
      const begin = Math.floor(at / ms) * ms;
      if (!spans.has(begin)) spans.set(begin, {});
      countEnd(spans.get(begin)!, { task, lane }, state);
      if (state !== "cancelled") countAttempt(spans.get(begin)!, { task, lane }, 20, runMs);
    }
    if (group === null) return;
    const known = this.#groups.get(group) ?? { count: 0, firstAt: at, lastAt: at, samples: [] };
    this.#groups.set(group, {
      count: known.count + 1,
      firstAt: known.firstAt,
      lastAt: at,
      samples: [id, ...known.samples].slice(0, 5),
    });
  }

  write(db: DatabaseSync, end: number): void {
    const roll = db.prepare("INSERT OR REPLACE INTO rollups (span, at, tenant, counts) VALUES (?, ?, 'default', ?)");
    for (const [at, counts] of this.#minutes)
      if (at > end - 25 * HOUR_MS) roll.run(MINUTE_MS, at, JSON.stringify(counts));
    for (const [at, counts] of this.#hours) roll.run(HOUR_MS, at, JSON.stringify(counts));
    const group = db.prepare("UPDATE error_groups SET count = ?, first_at = ?, last_at = ?, samples = ? WHERE id = ?");
    for (const [id, { count, firstAt, lastAt, samples }] of this.#groups) {
      const { changes } = group.run(count, firstAt, lastAt, JSON.stringify(samples), id);
      if (changes !== 1) throw new Error(`there is no group of errors ${id}`);
    }
  }
}

/** The same numbers each time, from 0 up to 1. */
function randomOf(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
