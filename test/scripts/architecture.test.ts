import { spawnSync } from "node:child_process";
import { globSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { faultsIn } from "../../scripts/architecture.ts";

const folders: string[] = [];

afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true });
});

/** What the check finds in a source folder that holds these files. */
function check(files: { [path: string]: string }): string[] {
  return faultsIn(folderOf(files));
}

function folderOf(files: { [path: string]: string }): string {
  const folder = mkdtempSync(join(tmpdir(), "lovage-architecture-"));
  folders.push(folder);
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), text);
  }
  return folder;
}

const STATES = { "core/states.ts": "export const STATES = [];\n" };

describe("the architecture check", () => {
  it("lets an arrow go down", () => {
    const files = { ...STATES, "results/row.ts": `import { STATES } from "../core/states.ts";\nSTATES.at(0);\n` };
    expect(check(files)).toEqual([]);
  });

  it.each([
    `import { row } from "../results/row.ts";\nrow();\n`,
    `import type { Row } from "../results/row.ts";\nexport const row: Row = 1;\n`,
    `export { row } from "../results/row.ts";\n`,
    `export * from "../results/row.ts";\n`,
  ])("refuses one that goes up: %j", (text) => {
    const row = "export type Row = number;\nexport const row = () => 1;\n";
    const faults = check({ "results/row.ts": row, "core/states.ts": text });
    expect(faults).toEqual(["core/states.ts imports results/row.ts: core may import only itself"]);
  });

  it("refuses a package that the room does without", () => {
    const faults = check({ "core/states.ts": `import { Hono } from "hono";\nexport const app = new Hono();\n` });
    expect(faults).toEqual(["core/states.ts imports hono: core may import only zod, croner"]);
  });

  it("refuses a circle, also of types", () => {
    const faults = check({
      "core/a.ts": `import type { B } from "./b.ts";\nexport type A = B | null;\n`,
      "core/b.ts": `import type { A } from "./a.ts";\nexport type B = A[];\n`,
    });
    expect(faults).toEqual(["circle: core/a.ts -> core/b.ts -> core/a.ts"]);
  });

  it("refuses SQL outside of results", () => {
    const faults = check({ "web/health.ts": 'export const LOOK = "SELECT 1 FROM tasks";\n' });
    expect(faults).toEqual(["web/health.ts speaks SQL; statements belong in results"]);
  });

  it("refuses a verb that rings by itself", () => {
    const bells = { "broker/bells.ts": "export const ringBells = () => 1;\n" };
    const ringing = `import { ringBells } from "../broker/bells.ts";\nringBells();\n`;
    expect(check({ ...bells, "engine/cancel.ts": ringing })).toEqual([
      "engine/cancel.ts calls ringBells: hand what has changed to engine/announce.ts",
    ]);
    expect(check({ ...bells, "engine/announce.ts": ringing })).toEqual([]);
  });

  it("refuses a file that is too long to read in a sitting, and a folder that the table does not know", () => {
    expect(check({ "core/long.ts": "export {};\n".repeat(301) })).toEqual([
      "core/long.ts has 301 lines; split it: at most 300",
    ]);
    expect(check({ "pages/long.css": "a {\n}\n".repeat(151) })).toEqual([
      "pages/long.css has 302 lines; split it: at most 300",
    ]);
    expect(check({ "helpers/x.ts": "export {};\n" })).toEqual(["helpers/x.ts: the table has no room helpers"]);
  });
});

it("fails by its exit code, and names each fault and how many there are", () => {
  const folder = folderOf({ "helpers/x.ts": "export {};\n" });
  const { status, stderr } = spawnSync(process.execPath, ["scripts/architecture.ts", folder], { encoding: "utf8" });
  expect([status, stderr.split("\n").slice(0, 2)]).toEqual([
    1,
    ["helpers/x.ts: the table has no room helpers", expect.stringMatching(/^1 faults/)],
  ]);
});

describe("the verbs of a task", () => {
  // `commit` is the verb of all arrows by which an attempt ends. The folders for flows have verbs of flows.
  const verbs = ["submit", "start", "claim", "commit", "suspend", "rescue", "cancel", "expire", "retry", "replay"];
  it.each(verbs)("have one file of the engine and one of the results by the name of %s", (verb) => {
    const exclude = ["**/flows/**"];
    expect(globSync(`src/engine/**/${verb}.ts`, { exclude })).toHaveLength(1);
    expect(globSync(`src/results/**/${verb}{,-tasks,-attempts}.ts`, { exclude })).toHaveLength(1);
  });
});
