/** What a webhook of the type `alert.<code>` says. Instants are ISO 8601 UTC with milliseconds. */

import { z } from "zod";
import { ALERT_CODES } from "../core/alerts.ts";
import { healthFactSchema } from "./health-report.ts";

export const alertSchema = z
  .object({
    code: z.enum(ALERT_CODES),
    subject: z.string().nullable().describe("The lane or the schedule; null for a code with only one subject"),
    /** Each alert is raised once, and closed once when what was found is over. */
    state: z.enum(["raised", "closed"]),
    raisedAt: z.iso.datetime(),
    closedAt: z.iso.datetime().nullable(),
    /** As it was when the alert was raised. */
    fact: healthFactSchema,
  })
  .meta({ id: "Alert" });

export type AlertResource = z.output<typeof alertSchema>;
