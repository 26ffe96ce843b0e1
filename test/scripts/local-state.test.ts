import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterAll, describe, expect, test } from "vitest";
import { migrateFiles } from "../../command/dev/database.ts";
import { growAtOnce } from "../../command/dev/growing-buffer.ts";
import { checkDatabases } from "../../command/dev/state-files.ts";
import { Stacks } from "../../command/dev/stacks.ts";
import { explainStart } from "../../command/dev/start-faults.ts";
import { giveUpAt } from "../../command/dev/watchdog.ts";
import { readRunning } from "../../command/dev/running-rows.ts";
import { holdState } from "../../command/dev/state-lock.ts";
import { portOf, sentenceOf } from "../../command/failure.ts";

const folder = mkdtempSync(join(tmpdir(), "lovage-state-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe("a state directory", () => {
  test("has one server, and another one after a kill -9 of it", async () => {
    const directory = join(folder, "shared");
    const lock = join(import.meta.dirname, "../../command/dev/state-lock.ts");
    const script = `import(process.argv[1]).then((lock) => { lock.holdState(process.argv[2]); console.log("held"); setInterval(() => {}, 1e9); })`;
    const other = spawn("node", ["-e", script, lock, directory], { stdio: ["ignore", "pipe", "inherit"] });
    await once(other.stdout, "data");

    expect(() => holdState(directory)).toThrow(
      `another server (process ${other.pid}) runs on ${directory}: stop it, or give this one a directory of its own`,
    );

    other.kill("SIGKILL");
    await once(other, "exit");
    holdState(directory);
    expect(() => holdState(directory)).toThrow(`another server (process ${process.pid}) runs on ${directory}`);
  });

  test("with a database that was overwritten names its file", () => {
    const directory = join(folder, "damaged");
    const databases = join(directory, "v3/d1/miniflare-D1DatabaseObject");
    mkdirSync(databases, { recursive: true });
    new DatabaseSync(join(databases, "good.sqlite")).exec("CREATE TABLE a (b)");
    writeFileSync(join(databases, "empty.sqlite"), "");
    checkDatabases(directory);

    const bad = join(databases, "bad.sqlite");
    writeFileSync(bad, "not a database at all");
    expect(() => checkDatabases(directory)).toThrow(
      `${bad} is damaged: put a copy of it back, or move ${directory} away, and the next start makes an empty database`,
    );
  });
});

describe("a database of an earlier release", () => {
  test("has the schema of this one before a Worker runs on it; others of the project are left as they are", async () => {
    const directory = join(folder, "earlier");
    const databases = join(directory, "v3/d1/miniflare-D1DatabaseObject");
    mkdirSync(databases, { recursive: true });
    const opened = ["ours", "another"].map((name) => new DatabaseSync(join(databases, `${name}.sqlite`)));
    for (const each of opened) {
      each.exec("CREATE TABLE d1_migrations (name TEXT); INSERT INTO d1_migrations VALUES ('0001_tasks.sql')");
    }
    const [ours, another] = opened;
    ours.exec("CREATE TABLE tasks (id TEXT, lease_until INTEGER); INSERT INTO tasks VALUES ('task_1', 5)");

    const pending = { name: "0002_more.sql", statements: ["ALTER TABLE tasks ADD COLUMN more INTEGER DEFAULT 7"] };
    const migrations = [{ name: "0001_tasks.sql", statements: ["CREATE TABLE tasks (id TEXT)"] }, pending];
    await migrateFiles(directory, migrations);
    await migrateFiles(directory, migrations);
    const namesIn = (database: DatabaseSync) =>
      database
        .prepare("SELECT name FROM d1_migrations")
        .all()
        .map(({ name }) => name);
    expect(namesIn(ours)).toEqual(["0001_tasks.sql", "0002_more.sql"]);
    expect(ours.prepare("SELECT more FROM tasks").all()).toEqual([{ more: 7 }]);
    expect(namesIn(another)).toEqual(["0001_tasks.sql"]);
    for (const each of opened) each.close();
  });
});

describe("a failure is one sentence with its mend", () => {
  test.each(["", " ", "x", "-1", "65536", "1.5", "8787x"])("port %j", (text) => {
    expect(() => portOf(text)).toThrow(
      `${JSON.stringify(text)} is no port: take a whole number from 0 (any free one) to 65535, such as 8787`,
    );
  });

  test.each([
    [
      "ERR_ADDRESS_IN_USE",
      "Address already in use (127.0.0.1:8787). Please check …",
      "the port 8787 is taken: choose another, or stop what listens there",
    ],
    ["EADDRINUSE", "listen", "the port is taken: choose another, or stop what listens there"],
    ["EACCES", "permission denied", "/a/b cannot be written: make it writable, or choose another folder"],
    ["EROFS", "read-only file system", "/a/b cannot be written: make it writable, or choose another folder"],
    ["ENOSPC", "no space", "the disk is full: make room and start again"],
    ["ELSE", "something else", "something else"],
  ])("%s", (code, message, sentence) => {
    expect(sentenceOf(Object.assign(new Error(message), { code, path: "/a/b" }))).toBe(sentence);
  });

  test("a runtime that is older than the configuration", () => {
    const said = 'service core:user:shop: This Worker requires compatibility date "2026-10-15", but the newest date …';
    const error = Object.assign(new Error(`The Workers runtime failed to start.\n${said}`), {
      code: "ERR_RUNTIME_FAILURE",
    });
    const { message } = explainStart(error, new Stacks("/a"), "/a", []) as Error;
    expect(message).toMatch(
      /^the installed wrangler is older than the compatibility_date 2026-10-15: run `npm install --save-dev wrangler@[\d.]+`$/,
    );
  });
});

describe("a runtime that does not answer", () => {
  const attempt = (startedAt: number, limitMs: number) => ({ id: "a", task: "a", attempt: 1, startedAt, limitMs });

  test.each([
    ["an attempt, 3 s after its time is over", [attempt(0, 25_000)], 1_000, true, 28_000],
    ["several, after the first whose time is over", [attempt(9_000, 60_000), attempt(0, 25_000)], 10_000, true, 28_000],
    ["an attempt whose time is over already, after 5 s of silence", [attempt(0, 1_000)], 10_000, true, 15_000],
    ["none, after 30 s of silence", [], 10_000, true, 40_000],
    ["an attempt before the service is open, after 10 s", [attempt(0, 600_000)], 10_000, false, 20_000],
    ["none before the service is open, after 30 s", [], 10_000, false, 40_000],
  ])("is given up with %s", (_what, suspects, silentSince, wasOpen, at) => {
    expect(giveUpAt(suspects, silentSince, wasOpen)).toBe(at);
  });

  test("has its attempts read from the file, the latest first, with their limits", () => {
    const directory = join(folder, "rows");
    const databases = join(directory, "v3/d1/miniflare-D1DatabaseObject");
    mkdirSync(databases, { recursive: true });
    new DatabaseSync(join(databases, "other.sqlite")).exec("CREATE TABLE a (b)");
    new DatabaseSync(join(databases, "tasks.sqlite")).exec(`
      CREATE TABLE tasks (id, task, attempt, started_at, options, state);
      INSERT INTO tasks VALUES ('1', 'before', 1, 99, NULL, 'running'), ('2', 'ended', 1, 100, NULL, 'failed'),
        ('3', 'plain', 1, 100, NULL, 'running'), ('4', 'own', 2, 101, '{"timeoutMs":1000}', 'running'),
        ('5', 'defined', 1, 102, '{}', 'running')`);
    expect(readRunning(directory, 100, new Map([["defined", 60_000]]))).toEqual([
      { id: "5", task: "defined", attempt: 1, startedAt: 102, limitMs: 60_000 },
      { id: "4", task: "own", attempt: 2, startedAt: 101, limitMs: 1_000 },
      { id: "3", task: "plain", attempt: 1, startedAt: 100, limitMs: 25_000 },
    ]);
    expect(readRunning(join(folder, "none"), 0, new Map())).toEqual([]);
  });
});

describe("a buffer that grows by 4 KiB", () => {
  test("is made twice as large once it is large, until that is ended; every other has its length", () => {
    const lengths = (...wanted: number[]) => wanted.map((length) => new ArrayBuffer(length).byteLength);
    const own = ArrayBuffer;
    const end = growAtOnce();
    try {
      expect(lengths(4_096, 8_192, 1_000_000, 1_004_096)).toEqual([4_096, 8_192, 1_000_000, 2_008_192]);
      expect(lengths(2_012_288, 8, 2_000_000, 2_000_008, 5_000_000)).toEqual([
        4_024_576, 8, 2_000_000, 2_000_008, 5_000_000,
      ]);
      expect(new ArrayBuffer(8)).toBeInstanceOf(own);
    } finally {
      end();
    }
    expect(lengths(1_000_000, 1_004_096)).toEqual([1_000_000, 1_004_096]);
  });
});
