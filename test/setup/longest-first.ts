/**
 * The order of the test files: those that take longest begin first, so that none of them is left running alone at the end. Vitest
 * itself knows how long a file takes only where it has run before, which no clean checkout has.
 */

import { BaseSequencer, type TestSpecification } from "vitest/node";

/** Files that take a minute or more, the longest first. */
const LONG = [
  "platform/releases",
  "platform/proofs",
  "scripts/loop",
  "browser/demo-page",
  "scripts/package",
  "platform/long-attempts",
  "faults/restart",
  "http/flows",
  "http/tenancy",
  "http/lanes",
  "faults/rounds",
  "faults/durable",
  "http/readme",
  "http/webhooks",
  "faults/schedules",
  "browser/dashboard-views",
  "client/package",
  "browser/dashboard",
  "browser/docs",
  "browser/dashboard-task",
  "http/sizes",
  "http/contract-fuzz",
  "faults/concurrency",
  "http/windows",
  "http/reference",
  "faults/streams",
  "engine/model",
  "platform/storage",
  "client/survival",
  "faults/stubborn",
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
