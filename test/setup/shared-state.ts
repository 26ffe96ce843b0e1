/** The directory that the state of shared servers goes to. The servers end with the processes of the tests, so this outlives them. */

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestProject } from "vitest/node";

export async function setup(project: TestProject): Promise<() => Promise<void>> {
  const folder = await mkdtemp(join(tmpdir(), "lovage-shared-"));
  project.provide("sharedState", folder);
  return () => rm(folder, { recursive: true, force: true, maxRetries: 20, retryDelay: 200 });
}
