/** The tasks that this deployment offers. Adding one is a file of its own and a line here. */

import { csvPart, csvReport, csvScan } from "./csv-report.ts";
import { csvSummarize } from "./csv-summarize.ts";
import { httpRequest } from "./http-request.ts";
import { processItem } from "./process-item.ts";

/** Every task that can be submitted by name. */
export const tasks = [processItem, csvSummarize, csvReport, csvScan, csvPart, httpRequest] as const;
