import { spawnSync } from "node:child_process";
import { expect, it } from "vitest";

it("src/results/triggers.sql is what the migrations make", () => {
  const checked = spawnSync(process.execPath, ["scripts/triggers.ts", "--check"], { encoding: "utf8" });
  expect({ status: checked.status, stderr: checked.stderr }).toMatchObject({ status: 0 });
});
