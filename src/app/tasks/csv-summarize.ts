/** Summarizes a CSV file column by column, in one pass and in memory that does not grow with the file. */

import { z } from "zod";
import { defineTask } from "../../core/define-task.ts";
import { MAX_PAYLOAD_BYTES, MAX_TIMEOUT_MS } from "../../core/bounds.ts";
import { columnSchema } from "./csv/column-summary.ts";
import { brokenCsv } from "./csv/csv-error.ts";
import { MAX_CSV_BYTES, textSource, urlSource } from "./csv/csv-source.ts";
import { TableSummary } from "./csv/table-summary.ts";
import { outboundPolicy } from "../../outbound/guard.ts";
import { pause } from "./pause.ts";

/**
 * Bytes between two pauses, a few milliseconds of work. Counted, not timed: on Cloudflare the clock
 * stands still while a Worker computes.
 */
const BREATH = 131_072;

/**
 * `csv.summarize`: reads RFC 4180 with a header, separated by commas. `count` and `nulls` are the values
 * and the empty fields. A column has the type that all its values have; integers among numbers are
 * numbers, and any other mixture is a string. Dates are ISO 8601 and compared as instants. `distinct` is
 * exact for up to 100,000 values per column (fewer with more than eight columns, at least 1,000) and
 * beyond that an estimate with a standard error of 0.8 %. A broken file fails at once, with its line.
 */
export const csvSummarize = defineTask({
  name: "csv.summarize",
  description:
    "Summarizes a CSV file, given as text or by its address: types, counts, extremes and means of its columns.",
  input: z.union(
    [
      z.strictObject({ csv: z.string().max(MAX_PAYLOAD_BYTES) }),
      z.strictObject({ url: z.url({ protocol: /^https?$/ }).max(8_192) }),
    ],
    { error: 'give { "csv": text of at most 1 MiB } or { "url": an http or https address }' },
  ),
  output: z.object({ rows: z.int(), columns: z.array(columnSchema) }),
  timeout: MAX_TIMEOUT_MS,
  run: async (input, ctx) => {
    const source =
      "csv" in input ? textSource(input.csv) : await urlSource(input.url, outboundPolicy(ctx.env), ctx.signal);
    const table = new TableSummary();
    let done = 0;
    let breathed = 0;
    for await (const { text, valid, size } of source.pieces) {
      table.push(text);
      if (!valid) throw brokenCsv(table.line, "bytes that are not UTF-8");
      done += size;
      if (done > MAX_CSV_BYTES) throw brokenCsv(table.line, `the file is larger than ${MAX_CSV_BYTES} bytes`);
      if (done - breathed >= BREATH) {
        breathed = done;
        ctx.progress(done, source.total);
        await pause(0, ctx.signal);
      }
    }
    ctx.progress(done, source.total);
    return table.end();
  },
});
