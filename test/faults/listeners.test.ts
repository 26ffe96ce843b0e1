/** A hundred listeners in CI; `node test/faults/listeners.ts` does it with a thousand. */
import { afterAll, beforeAll, expect, it } from "vitest";
import { shareServer, type SharedServer } from "../http/shared-server.ts";
import { listenToMany, listenToOne } from "./listeners.ts";

let server: SharedServer;

beforeAll(async () => {
  server = await shareServer();
});

afterAll(() => server.stop());

it("tells the last progress and the end to every listener of one task, beside one that reads nothing", async () => {
  const hearing = await listenToOne(server, 100);
  expect(hearing).toMatchObject({ listeners: 100, lastProgress: 100, done: 100, broken: 0 });
});

it("follows fifty tasks at once", async () => {
  const hearing = await listenToMany(server, 50);
  expect(hearing).toMatchObject({ listeners: 50, lastProgress: 50, done: 50, broken: 0 });
});
