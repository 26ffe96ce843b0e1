/** Problem details: RFC 9457. */

import { z } from "zod";
import { addressOf } from "./addresses.ts";
import { PROBLEMS } from "../core/problem-kinds.ts";
import type { Problem } from "../core/problems.ts";
import { QUOTA_NAMES } from "../core/quotas.ts";

export type { ProblemName } from "../core/problem-kinds.ts";

export const problemSchema = z
  .object({
    type: z.string(),
    title: z.string(),
    status: z.int(),
    detail: z.string(),
    errors: z.array(z.object({ pointer: z.string(), detail: z.string() })).optional(),
    /** Of `quota-exceeded`: which quota, how much of it is used, and how much there is. */
    quota: z.enum(QUOTA_NAMES).optional(),
    used: z.int().optional(),
    limit: z.int().optional(),
    /** Of a bulk verb that was refused partway: what it had done until then. */
    matched: z.int().optional(),
    changed: z.int().optional(),
  })
  .meta({ id: "Problem" });

export type ProblemResource = z.output<typeof problemSchema>;

/** A problem as it crosses the wire; `type` is an address of this service that explains it. */
export function presentProblem(problem: Problem): ProblemResource {
  const { status, title } = PROBLEMS[problem.name];
  return {
    type: addressOf(`/problems/${problem.name}`),
    title,
    status,
    detail: problem.detail,
    ...(problem.errors ? { errors: problem.errors } : {}),
    ...problem.more,
  };
}
