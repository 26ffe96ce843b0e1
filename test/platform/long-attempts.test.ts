/** Attempts that outlast the event that started them, on a platform whose durations are a part of production's. `proofs.ts` does the same at real ones. */
import { afterAll, beforeAll, expect, it } from "vitest";
import type { Server } from "../http/server.ts";
import { longAttempts, startStrict } from "./proofs.ts";

const SCALE = 0.06;

let server: Server;

beforeAll(async () => {
  server = await startStrict({ args: ["--strict-scale", String(SCALE)] });
});
afterAll(() => server?.stop());

it("succeed at the first try, and hold up nothing beside them", async () => {
  const { item, all, noop, stillRunning, met, table } = await longAttempts(server, SCALE);
  console.log(table);
  expect(item).toEqual({ "succeeded 1": 1 });
  expect(all).toEqual({ "succeeded 1": 42 });
  expect([noop, stillRunning]).toEqual(["succeeded", true]);
  expect(met.filter((limit) => limit.startsWith("AttemptObject"))).toEqual([]);
});
