import { afterEach, describe, expect, it, vi } from "vitest";
import { NonRetryableError, RetryAfterError } from "../../../src/core/errors.ts";
import { csvSummarize } from "../../../src/app/tasks/csv-summarize.ts";
import { fakeContext } from "./fake-context.ts";

const URL = "https://files.example.com/people.csv";

function answer(body: BodyInit | null, init?: ResponseInit) {
  return vi.spyOn(globalThis, "fetch").mockImplementation(() => Promise.resolve(new Response(body, init)));
}

function streamOf(...chunks: (string | number[])[]): ReadableStream<Uint8Array> {
  return new ReadableStream({
    start(controller) {
      for (const chunk of chunks) {
        controller.enqueue(typeof chunk === "string" ? new TextEncoder().encode(chunk) : new Uint8Array(chunk));
      }
      controller.close();
    },
  });
}

async function thrownBy(run: () => unknown): Promise<unknown> {
  try {
    await run();
  } catch (error) {
    return error;
  }
  throw new Error("nothing was thrown");
}

function people(rows: number): string {
  let csv = "id,name,score,born,member,note\r\n";
  for (let i = 0; i < rows; i++) {
    csv += `${i},"Name ""${i % 1_000}"", Inc",${(i % 400) / 4},19${10 + (i % 90)}-01-02,${i % 2 === 0},\r\n`;
  }
  return csv;
}

describe("csv.summarize", () => {
  afterEach(() => void vi.restoreAllMocks());

  it("summarizes a table column by column", async () => {
    const ctx = fakeContext();
    const result = await csvSummarize.run({ csv: people(400) }, ctx);
    expect(result).toEqual({
      rows: 400,
      columns: [
        { name: "id", type: "integer", count: 400, nulls: 0, distinct: 400, min: 0, max: 399, mean: 199.5 },
        {
          name: "name",
          type: "string",
          count: 400,
          nulls: 0,
          distinct: 400,
          min: 'Name "0", Inc',
          max: 'Name "99", Inc',
          mean: null,
        },
        { name: "score", type: "number", count: 400, nulls: 0, distinct: 400, min: 0, max: 99.75, mean: 49.875 },
        {
          name: "born",
          type: "date",
          count: 400,
          nulls: 0,
          distinct: 90,
          min: "1910-01-02",
          max: "1999-01-02",
          mean: null,
        },
        { name: "member", type: "boolean", count: 400, nulls: 0, distinct: 2, min: null, max: null, mean: null },
        { name: "note", type: "empty", count: 0, nulls: 400, distinct: 0, min: null, max: null, mean: null },
      ],
    });
    expect(csvSummarize.output.parse(result)).toEqual(result);
  });

  it("has zero rows for a header alone, and takes a byte order mark for none of its name", async () => {
    const result = await csvSummarize.run({ csv: "\uFEFFa,b\r\n" }, fakeContext());
    expect(result).toMatchObject({ rows: 0, columns: [{ name: "a", type: "empty" }, { name: "b" }] });
  });

  it.each([
    ["", 1, "empty"],
    ["\uFEFF\r\n\r\n", 1, "empty"],
    ["a,b\n1,2\n3", 3, "1 field, where the header has 2"],
    ["a,b\n1,2\n3,4,5\n", 3, "3 fields, where the header has 2"],
    ['a,b\n1,"2\n\n', 2, "never closed"],
    ['a,b\n\n1,"2"x\n', 3, "after a closing quote"],
    ["a,b,a\n", 1, 'two columns are named "a"'],
  ])("refuses %j for good, with its line", async (csv, line, message) => {
    const error = await thrownBy(() => csvSummarize.run({ csv }, fakeContext()));
    expect(error).toBeInstanceOf(NonRetryableError);
    expect(error).toMatchObject({
      data: { line },
      message: expect.stringMatching(new RegExp(`^line ${line}: .*${message}`)),
    });
  });

  it.each([
    {},
    { csv: 1 },
    { csv: "a", url: URL },
    { csv: "x".repeat(1_048_577) },
    { url: "people.csv" },
    { url: "ftp://x.example/a" },
    { cvs: "a" },
  ])("does not take %o", (input) => {
    expect(csvSummarize.input.safeParse(input).success).toBe(false);
  });

  it("streams an address, and joins characters that two chunks share", async () => {
    const bytes = [...new TextEncoder().encode("\uFEFFcity\nMünchen 😀\n")];
    const fetched = answer(streamOf(...bytes.map((byte) => [byte])), {
      headers: { "content-length": String(bytes.length) },
    });
    const ctx = fakeContext();
    const result = await csvSummarize.run({ url: URL }, ctx);
    expect(result).toMatchObject({ rows: 1, columns: [{ name: "city", min: "München 😀" }] });
    expect(fetched).toHaveBeenCalledOnce();
    expect(ctx.reports.progress.at(-1)).toEqual({ done: bytes.length, total: bytes.length });
  });

  it("tells the line on which the bytes stop being UTF-8", async () => {
    answer(streamOf("name\ngut\nM", [0xfc], "nchen\n"));
    const error = await thrownBy(() => csvSummarize.run({ url: URL }, fakeContext()));
    expect(error).toBeInstanceOf(NonRetryableError);
    expect(error).toMatchObject({ message: "line 3: bytes that are not UTF-8" });
  });

  it("refuses a file that ends within a character", async () => {
    answer(streamOf("name\nM", [0xc3]));
    await expect(csvSummarize.run({ url: URL }, fakeContext())).rejects.toThrow("line 2: bytes that are not UTF-8");
  });

  it("reports how far it is, without a total where the server named none or compressed", async () => {
    const csv = people(20_000);
    const inline = fakeContext();
    await csvSummarize.run({ csv: csv.slice(0, csv.lastIndexOf("\n", 1_000_000)) }, inline);
    const done = inline.reports.progress.map((report) => report.done);
    expect(done.length).toBeGreaterThan(3);
    expect(done).toEqual(done.toSorted((a, b) => a - b));
    expect(inline.reports.progress.at(-1)?.total).toBe(done.at(-1));

    const streamed = fakeContext();
    answer(streamOf(csv), { headers: { "content-encoding": "identity", "content-length": "17" } });
    await csvSummarize.run({ url: URL }, streamed);
    expect(streamed.reports.progress.at(-1)).toEqual({ done: csv.length, total: null });
  });

  it("lets others run while it works, and stops when it is told to", async () => {
    const controller = new AbortController();
    const ctx = fakeContext({ signal: controller.signal });
    const reason = new Error("cancelled");
    setTimeout(() => controller.abort(reason), 0);
    const error = await thrownBy(() => csvSummarize.run({ csv: people(20_000).slice(0, 1_000_000) }, ctx));
    expect(error).toBe(reason);
    expect(ctx.reports.progress.length).toBeLessThan(3);
  });

  it("stops when it is told to while a server keeps it waiting, and lets go of the connection", async () => {
    const controller = new AbortController();
    const cancelled = vi.fn();
    answer(
      new ReadableStream({
        pull: (stream) => {
          stream.enqueue(new TextEncoder().encode("a\n1\n"));
          return new Promise(() => {});
        },
        cancel: cancelled,
      }),
    );
    const reason = new Error("cancelled");
    setTimeout(() => controller.abort(reason), 5);
    const error = await thrownBy(() => csvSummarize.run({ url: URL }, fakeContext({ signal: controller.signal })));
    expect(error).toBe(reason);
    expect(cancelled).toHaveBeenCalledOnce();
  });

  it("does not read what is too large, announced or not", async () => {
    answer("a\n1", { headers: { "content-length": "104857601" } });
    const announced = await thrownBy(() => csvSummarize.run({ url: URL }, fakeContext()));
    expect(announced).toBeInstanceOf(NonRetryableError);

    const chunk = new TextEncoder().encode(`${"x".repeat(999)}\n`.repeat(1_000));
    let sent = 0;
    vi.restoreAllMocks();
    answer(
      new ReadableStream({
        pull: (stream) => {
          sent += chunk.length;
          stream.enqueue(chunk);
        },
      }),
    );
    const endless = await thrownBy(() => csvSummarize.run({ url: URL }, fakeContext()));
    expect(endless).toBeInstanceOf(NonRetryableError);
    expect(String(endless)).toMatch(/line 104\d{3}: the file is larger than 104857600 bytes/);
    expect(sent).toBeLessThan(107_000_000);
  });

  it.each([
    [404, {}, NonRetryableError],
    [410, {}, NonRetryableError],
    [503, { "retry-after": "7" }, RetryAfterError],
  ])("takes %i as an answer", async (status, headers, type) => {
    answer("not here", { status, headers });
    const error = await thrownBy(() => csvSummarize.run({ url: URL }, fakeContext()));
    expect(error).toBeInstanceOf(type);
    expect(error).toMatchObject({ data: { status, body: "not here" } });
  });

  it("retries a server's own fault by the task's policy", async () => {
    answer("oops", { status: 500 });
    const error = await thrownBy(() => csvSummarize.run({ url: URL }, fakeContext()));
    expect(error).not.toBeInstanceOf(NonRetryableError);
    expect(error).not.toBeInstanceOf(RetryAfterError);
  });

  it("never asks an address that is not public", async () => {
    const fetched = answer("a\n1");
    const outside = fakeContext({ env: {} as Env });
    const error = await thrownBy(() => csvSummarize.run({ url: "http://127.0.0.1/people.csv" }, outside));
    expect(error).toBeInstanceOf(NonRetryableError);
    expect(fetched).not.toHaveBeenCalled();
  });

  it("summarizes 50,000 rows in a time that grows as the rows do", async () => {
    const summarize = async (rows: number) => {
      answer(streamOf(people(rows)));
      const start = performance.now();
      const result = await csvSummarize.run({ url: URL }, fakeContext());
      return { result, ms: Math.max(1, performance.now() - start) };
    };
    // The first one also pays for the compilation.
    await summarize(5_000);
    const few = await summarize(5_000);
    const many = await summarize(50_000);
    expect(many.ms / few.ms).toBeLessThan(50);
    expect(many.result).toMatchObject({
      rows: 50_000,
      columns: [{ distinct: 50_000, mean: 24_999.5 }, { distinct: 1_000 }, {}, {}, {}, {}],
    });
  });
});
