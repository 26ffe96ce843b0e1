/** The health report: a verdict on a tenant's work, and the facts that it was made from. */

import { z } from "zod";
import { CHECKS, VERDICTS } from "../core/health-fact.ts";

export const healthFactSchema = z
  .looseObject({
    code: z.enum([...CHECKS, "moving", "idle"]),
    level: z.enum(VERDICTS),
    subject: z
      .string()
      .nullable()
      .describe("What the fact is about: a lane, a schedule or a quota; null for a code with only one subject"),
  })
  .describe("Further members depend on the code")
  .meta({ id: "HealthFact" });

export const healthReportSchema = z
  .object({
    verdict: z.enum(VERDICTS),
    summary: z.string().describe("One sentence"),
    facts: z.array(healthFactSchema),
    ruledOut: z.array(z.enum(CHECKS)).describe("What was looked for and not found"),
  })
  .meta({ id: "HealthReport" });

export type HealthReport = z.output<typeof healthReportSchema>;
