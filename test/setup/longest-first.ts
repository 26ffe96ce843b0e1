/**
 * The order of the test files: those that take longest begin first, so that none of them is left running alone at the end. Vitest
 * itself knows how long a file takes only where it has run before, which no clean checkout has.
 *
 * Files of a project come in one row: vitest keeps a process that files share, and with it their server, only while the next file is
 * of the same project.
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
  "engine/batch-model",
  "platform/ends",
];

/** The projects among the long files, and among the others. */
const PROJECTS = { long: ["platform", "workerd", "node"], others: ["node", "platform", "workerd"] };

export class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    // oxlint-disable-next-line unicorn/no-array-sort -- it is no array's method
    const inOrder = await super.sort(files);
    return inOrder.toSorted((a, b) => {
      const [one, other] = [weightsOf(a), weightsOf(b)];
      return one.map((weight, i) => weight - (other[i] ?? 0)).find((difference) => difference !== 0) ?? 0;
    });
  }
}

/** What its place depends on, most of all on the first of these. */
function weightsOf({ moduleId, project }: TestSpecification): number[] {
  const place = LONG.findIndex((file) => moduleId.endsWith(`/test/${file}.test.ts`));
  const kind = place < 0 ? "others" : "long";
  return [project.config.sequence.groupOrder, kind === "long" ? 0 : 1, PROJECTS[kind].indexOf(project.name), place];
}
