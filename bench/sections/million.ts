/** Whether the service is as fast with a million ended tasks in its database as with none. */
import { globSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { firstIdAt } from "../../src/core/id-time.ts";
import { bulkAndEnd } from "../measures/bulk.ts";
import type { Sizes } from "../measures/measure.ts";
import { submitAndEnd } from "../measures/submit.ts";
import { warmUp } from "../passes.ts";
import type { Row } from "../report/figures.ts";
import { startLovage } from "../subjects/lovage.ts";
import type { Running } from "../subjects/service.ts";

const CONNECTIONS = 32;
const DAY_MS = 86_400_000;

/** How long the task that is copied may take to end. */
const WITHIN_MS = 30_000;

export async function measureMillion({ warmUp: tasks, million }: Sizes): Promise<Row[]> {
  const persist = await mkdtemp(join(tmpdir(), "lovage-bench-million-"));
  const both: { subject: string; running: Running }[] = [];
  try {
    await prepare(persist, million.ended);
    both.push({ subject: "million", running: await startLovage(CONNECTIONS, { persist }) });
    both.push({ subject: "empty", running: await startLovage(CONNECTIONS) });
    for (const { running } of both) await warmUp(running, tasks);
    const rows: Row[] = [];
    for (let pass = 1; pass <= million.rounds; pass++) {
      // One of the two is idle while the other is measured; the order changes with each pass.
      for (const { subject, running } of pass % 2 === 0 ? both.toReversed() : both) {
        const found = [
          await submitAndEnd(running, CONNECTIONS, million.submit),
          await bulkAndEnd(running, 1_000, million.bulkRequests),
        ];
        for (const { measure, figures } of found) rows.push({ subject, measure, pass, figures });
      }
    }
    return rows;
  } finally {
    for (const { running } of both) await running.stop();
    await rm(persist, { recursive: true, force: true });
  }
}

/** Fills a database with `count` copies of an ended task, each with its own id and its own time within the last day. */
async function prepare(persist: string, count: number): Promise<void> {
  const running = await startLovage(1, { persist });
  const deadline = performance.now() + WITHIN_MS;
  const id = await running.service.submit("noop");
  while ((await running.service.look(id, 10_000)) === null && performance.now() < deadline);
  await running.stop();

  const [file] = globSync(join(persist, "v3/d1/*/*.sqlite")).filter((path) => !path.endsWith("metadata.sqlite"));
  if (file === undefined) throw new Error(`no database below ${persist}`);
  const db = new DatabaseSync(file);
  const columns = db.prepare("SELECT name FROM pragma_table_info('tasks')").all() as { name: string }[];
  const value = ({ name }: { name: string }) =>
    name === "id" || name === "root_id"
      ? `iif(${name} IS NULL, NULL, ?1)`
      : /_at$|_until$/.test(name)
        ? `${name} - ?2`
        : name;
  const copy = db.prepare(
    `INSERT INTO tasks (${columns.map(({ name }) => name).join(", ")}) SELECT ${columns.map(value).join(", ")} FROM tasks WHERE id = ?3`,
  );
  const now = Date.now();
  db.exec("BEGIN");
  for (let n = 1; n <= count; n++) {
    const ago = Math.ceil(DAY_MS * (1 - n / (count + 1)));
    const prefix = firstIdAt("task", now - ago).slice(0, -16);
    copy.run(`${prefix}${String(n).padStart(16, "0")}`, ago, id);
  }
  db.exec("COMMIT");
  db.close();
}
