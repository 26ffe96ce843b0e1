/**
 * A larger piece of work, made of smaller tasks: a CSV file is cut into parts, the parts are summarized at
 * once, the summaries merged, and the report delivered, after an approval if wanted. It is ordinary code, and
 * after a crash it goes on where it was.
 */

import { z } from "zod";
import { defineTask } from "../../core/define-task.ts";
import type { TaskContext } from "../../core/task.ts";
import { NonRetryableError } from "../../core/errors.ts";
import { durationSchema } from "../../core/duration.ts";
import { MAX_TIMEOUT_MS } from "../../core/bounds.ts";
import { fetchRange } from "./csv/byte-range.ts";
import { columnSchema } from "./csv/column-summary.ts";
import { MAX_CSV_BYTES } from "./csv/csv-source.ts";
import { CsvReader } from "./csv/csv-reader.ts";
import { Utf8Decoder } from "./csv/decode-utf8.ts";
import { cutsOf, QuoteScan, scanSchema } from "./csv/scan-quotes.ts";
import { MAX_COLUMNS_OF_PARTS, TableSummary, tableStateSchema } from "./csv/table-summary.ts";
import { brokenCsv } from "./csv/csv-error.ts";
import { csvSummarize } from "./csv-summarize.ts";
import { httpRequest } from "./http-request.ts";
import { outboundPolicy } from "../../outbound/guard.ts";
import { pause } from "./pause.ts";

/** The header must end within this many bytes. */
const HEADER_BYTES = 262_144;

/** Bytes between two pauses; see `csv.summarize`. */
const BREATH = 131_072;

const url = z.url({ protocol: /^https?$/ }).max(8_192);
const range = { url, from: z.int().min(0), to: z.int().min(1) };

/** `csv.scan`: finds where a part of a file may be cut. */
export const csvScan = defineTask({
  name: "csv.scan",
  description: "Counts the quotes in a range of a CSV file, and finds where its first row begins.",
  input: z.strictObject(range),
  output: scanSchema,
  timeout: MAX_TIMEOUT_MS,
  run: async ({ url: at, from, to }, ctx) => {
    const scan = new QuoteScan();
    await readRange(ctx, at, from, to, (bytes) => scan.push(bytes));
    return scan.end();
  },
});

/** `csv.part`: the state of `csv.summarize` for a range of rows, ready to be merged. */
export const csvPart = defineTask({
  name: "csv.part",
  description: "Summarizes a range of rows of a CSV file, as a part of a whole.",
  input: z.strictObject({ ...range, names: z.array(z.string()), hasHeader: z.boolean() }),
  output: tableStateSchema,
  timeout: MAX_TIMEOUT_MS,
  run: async ({ url: at, from, to, names, hasHeader }, ctx) => {
    const table = new TableSummary(hasHeader ? null : names);
    const decoder = new Utf8Decoder();
    await readRange(ctx, at, from, to, (bytes) => {
      const { text, valid } = decoder.decode(bytes);
      table.push(text);
      if (!valid) throw brokenCsv(table.line, "bytes that are not UTF-8");
    });
    if (!decoder.end()) throw brokenCsv(table.line, "bytes that are not UTF-8");
    return table.endPart();
  },
});

const summarySchema = z.object({ rows: z.int(), columns: z.array(columnSchema) });

/**
 * `csv.report`: the summary of `csv.summarize`, for a large file at an address whose server supports range requests
 * (otherwise, or where the merged parts are not exact enough, it is read in one pass). With `approval` it waits for the
 * signal `approve` with the body `{"approved": true}`; with `deliverTo` the report is posted there.
 */
export const csvReport = defineTask({
  name: "csv.report",
  description:
    "Summarizes a large CSV file in parts, side by side, and delivers the report, after an approval if wanted.",
  input: z.strictObject({
    url,
    parts: z.int().min(1).max(100).default(8),
    approval: z.strictObject({ timeout: durationSchema(1).optional() }).optional(),
    deliverTo: url.optional(),
  }),
  output: summarySchema.extend({ parts: z.int(), approved: z.boolean().nullable(), delivered: z.int().nullable() }),
  timeout: MAX_TIMEOUT_MS,
  run: async ({ url: at, parts, approval, deliverTo }, ctx) => {
    const size = await ctx.step("look", () => lookAt(at, ctx));
    const report =
      size === null || (size.names.length > MAX_COLUMNS_OF_PARTS && size.total <= MAX_CSV_BYTES)
        ? { ...(await ctx.call(csvSummarize, { url: at })), parts: 1 }
        : await inParts(ctx, at, size, parts);

    let approved: boolean | null = null;
    if (approval) {
      const schema = z.object({ approved: z.boolean() });
      const timeout = approval.timeout;
      const answer = await ctx.waitForSignal("approve", timeout === undefined ? { schema } : { schema, timeout });
      if (!answer.approved) throw new NonRetryableError("the report was not approved");
      approved = true;
    }
    const sent = deliverTo === undefined ? null : await ctx.call(httpRequest, { url: deliverTo, body: report });
    return { ...report, approved, delivered: sent?.status ?? null };
  },
});

interface Look {
  total: number;
  names: string[];
}

/** The file's size and its header; null where its server does not support range requests. */
async function lookAt(at: string, ctx: TaskContext): Promise<Look | null> {
  const part = await fetchRange(at, 0, HEADER_BYTES, outboundPolicy(ctx.env), ctx.signal);
  if (part === null) return null;
  const rows: string[][] = [];
  const reader = new CsvReader((fields) => rows.push(fields));
  const decoder = new Utf8Decoder();
  for await (const bytes of part.bytes) {
    if (rows.length === 0) reader.push(decoder.decode(bytes).text);
  }
  if (rows.length === 0 && part.total <= HEADER_BYTES) reader.end();
  const [names] = rows;
  if (!names) throw new NonRetryableError("the file has no header row, or one that is too long");
  return { total: part.total, names };
}

async function inParts(ctx: TaskContext, at: string, { total, names }: Look, parts: number) {
  const size = Math.max(1, Math.ceil(total / parts));
  const begins = Array.from({ length: Math.ceil(total / size) }, (_, i) => i * size);
  const scans = await ctx.callAll(
    csvScan,
    begins.map((from) => ({ url: at, from, to: Math.min(total, from + size) })),
  );
  ctx.progress(1, 3, "cut");
  const cuts = cutsOf(scans, begins);
  const summaries = await ctx.callAll(
    csvPart,
    cuts
      .map((from, i) => ({ url: at, from, to: cuts[i + 1] ?? total, names, hasHeader: i === 0 }))
      .filter(({ from, to }) => to > from),
  );
  ctx.progress(2, 3, "summarized");
  const whole = new TableSummary(names);
  for (const summary of summaries) whole.merge(summary);
  ctx.progress(3, 3, "merged");
  // Where the merged parts are not exact and the file is not too large for it, it is summarized in one pass.
  const isDone = whole.isSure || total > MAX_CSV_BYTES;
  return { ...(isDone ? whole.end() : await ctx.call(csvSummarize, { url: at })), parts: summaries.length };
}

async function readRange(
  ctx: TaskContext,
  at: string,
  from: number,
  to: number,
  take: (bytes: Uint8Array) => void,
): Promise<void> {
  const part = await fetchRange(at, from, to, outboundPolicy(ctx.env), ctx.signal);
  if (part === null) throw new NonRetryableError("the server gives no ranges of this file any more");
  let done = 0;
  let breathed = 0;
  for await (const chunk of part.bytes) {
    for (let i = 0; i < chunk.length; i += BREATH) {
      take(chunk.subarray(i, i + BREATH));
      done += Math.min(BREATH, chunk.length - i);
      if (done - breathed < BREATH) continue;
      breathed = done;
      ctx.progress(done, to - from);
      await pause(0, ctx.signal);
    }
  }
  if (done !== to - from) throw new Error(`the server sent ${done} of ${to - from} bytes`);
}
