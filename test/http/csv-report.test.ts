/** The larger example: a large file, cut, summarized in parts, approved and delivered. */
import { once } from "node:events";
import { createServer, type Server as HttpServer } from "node:http";
import type { AddressInfo } from "node:net";
import { json } from "node:stream/consumers";
import { afterAll, beforeAll, expect, it } from "vitest";
import { runs } from "../setup/runs.ts";
import { apiOf, type Api } from "./api.ts";
import { shareServer, type SharedServer } from "./shared-server.ts";

const ROWS = runs(100_000, 1_000_000);

let server: SharedServer;
let api: Api;
let files: HttpServer;
let origin: string;
const posted: unknown[] = [];

/**
 * Quoted fields with line breaks and quotes in them, so that a careless cut would show; and columns of few, some
 * thousand and nothing but different values, so that careless counting would.
 */
function tableOf(rows: number): Buffer {
  const lines = ["id,name,customer,amount,day,note\n"];
  for (let i = 0; i < rows; i++) {
    const note = i % 50 === 0 ? `"a ""quoted"" text,\nwith a break ${i % 7}"` : "x";
    const day = `2026-01-${String(1 + (i % 28)).padStart(2, "0")}`;
    lines.push(`${i},name ${i % 1000},c${(i * 7) % 30_000},${(i % 977) / 4},${day},${note}\n`);
  }
  return Buffer.from(lines.join(""));
}

beforeAll(async () => {
  server = await shareServer();
  api = apiOf(server);
  const [long, short] = [tableOf(ROWS), tableOf(12_000)];
  files = createServer(async (request, response) => {
    if (request.method === "POST") {
      posted.push(await json(request));
      response.end("{}");
      return;
    }
    const file = request.url === "/short.csv" ? short : long;
    const range = /bytes=(\d+)-(\d+)/.exec(request.headers.range ?? "");
    if (range === null || request.url === "/whole.csv") {
      response.writeHead(200, { "content-length": file.length }).end(file);
      return;
    }
    const [from, to] = [Number(range[1]), Math.min(Number(range[2]), file.length - 1)];
    const headers = { "content-range": `bytes ${from}-${to}/${file.length}`, "content-length": to - from + 1 };
    response.writeHead(206, headers).end(file.subarray(from, to + 1));
  });
  files.listen(0, "127.0.0.1");
  await once(files, "listening");
  origin = `http://127.0.0.1:${(files.address() as AddressInfo).port}`;
});

afterAll(async () => {
  files.closeAllConnections();
  files.close();
  await server.stop();
});

it("agrees with csv.summarize on a large file, and delivers only what was approved", async () => {
  const whole = await api.submit("csv.summarize", { url: `${origin}/ranges.csv` });
  const expected = await api.waitForEnd(whole.id);
  expect(expected).toMatchObject({ state: "succeeded", result: { rows: ROWS } });

  const report = await api.submit("csv.report", {
    url: `${origin}/ranges.csv`,
    parts: 8,
    approval: {},
    deliverTo: origin,
  });
  await api.waitUntil(report.id, (task) => {
    const wait = task.waitingFor as { signals?: string[] } | null;
    return wait?.signals?.includes("approve") ?? false;
  });
  expect(posted).toEqual([]);
  await api.post(`/v1/tasks/${report.id}/signals/approve`, { approved: true });
  const { state, result } = await api.waitForEnd(report.id);
  expect(state).toBe("succeeded");
  expect(result).toEqual({ ...(expected.result as object), parts: 8, approved: true, delivered: 200 });
  expect(posted).toEqual([{ ...(expected.result as object), parts: 8 }]);
});

it("counts different values as csv.summarize does, in however many parts", async () => {
  const url = `${origin}/short.csv`;
  const whole = await api.submit("csv.summarize", { url });
  const { result: expected } = await api.waitForEnd(whole.id);
  expect(expected).toMatchObject({ columns: [{ name: "id", distinct: 12_000 }, {}, { distinct: 12_000 }, {}, {}, {}] });
  for (const parts of [1, 3]) {
    const { id } = await api.submit("csv.report", { url, parts });
    const { result } = await api.waitForEnd(id);
    expect(result).toEqual({ ...(expected as object), parts, approved: null, delivered: null });
  }
});

it("reads a file in one pass where the server gives no ranges", async () => {
  const { id } = await api.submit("csv.report", { url: `${origin}/whole.csv` });
  const { result } = await api.waitForEnd(id);
  expect(result).toMatchObject({ rows: ROWS, parts: 1, approved: null, delivered: null });
});

it("fails clearly when the report is refused", async () => {
  const { id } = await api.submit("csv.report", { url: `${origin}/ranges.csv`, parts: 2, approval: {} });
  await api.post(`/v1/tasks/${id}/signals/approve`, { approved: false });
  const { state, error } = await api.waitForEnd(id);
  expect(state).toBe("failed");
  expect(error?.message).toBe("the report was not approved");
});
