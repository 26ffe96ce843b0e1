/**
 * The order of the test files: those that take longest begin first, so that none of them is left running alone at the end. Vitest
 * itself knows how long a file takes only where it has run before, which no clean checkout has.
 */

import { BaseSequencer, type TestSpecification } from "vitest/node";

/** Files that take nearly a minute or more beside others, the longest first. */
const LONG = [
  "platform/releases",
  "scripts/package",
  "scripts/loop",
  "platform/proofs",
  "engine/model",
  "browser/demo-page",
  "faults/schedules",
  "http/webhooks",
  "http/contract-fuzz",
  "http/tenancy",
  "faults/restart",
  "http/flows",
  "faults/rounds",
  "browser/dashboard",
  "http/lanes",
  "platform/long-attempts",
  "platform/storage",
  "browser/dashboard-views",
  "http/reference",
  "faults/stubborn",
  "faults/durable",
  "browser/docs",
  "engine/tick-costs",
  "http/sizes",
  "engine/bells",
  "http/readme",
];

export class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    // oxlint-disable-next-line unicorn/no-array-sort -- it is no array's method
    const inOrder = await super.sort(files);
    return inOrder.toSorted((a, b) => group(a) - group(b) || place(a) - place(b));
  }
}

function group({ project }: TestSpecification): number {
  return project.config.sequence.groupOrder;
}

function place({ moduleId }: TestSpecification): number {
  const found = LONG.findIndex((file) => moduleId.endsWith(`/test/${file}.test.ts`));
  return found < 0 ? LONG.length : found;
}
