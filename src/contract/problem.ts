/** Problem details: RFC 9457. */

import { z } from "zod";
import { PROBLEMS, type Problem } from "../core/problems.ts";

export type { ProblemName } from "../core/problems.ts";

export const problemSchema = z
  .object({
    type: z.string(),
    title: z.string(),
    status: z.int(),
    detail: z.string(),
    errors: z.array(z.object({ pointer: z.string(), detail: z.string() })).optional(),
  })
  .meta({ id: "Problem" });

export type ProblemResource = z.output<typeof problemSchema>;

/** A problem as it crosses the wire; `type` is an address of this service that explains it. */
export function presentProblem(problem: Problem): ProblemResource {
  const { status, title } = PROBLEMS[problem.name];
  return {
    type: `/problems/${problem.name}`,
    title,
    status,
    detail: problem.detail,
    ...(problem.errors ? { errors: problem.errors } : {}),
  };
}
