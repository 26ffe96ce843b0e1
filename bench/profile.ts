/** `npm run bench -- --profile`: where the CPU time of each isolate goes, for single submissions and for batches. */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { startInspected, type Target } from "./inspector.ts";
import { bulkAndEnd } from "./measures/bulk.ts";
import type { Sizes } from "./measures/measure.ts";
import { submitAndEnd } from "./measures/submit.ts";
import { warmUp } from "./passes.ts";
import { hotFunctions, type CpuProfile } from "./report/hot-functions.ts";
import type { Running } from "./subjects/service.ts";

const CONNECTIONS = 32;
const EVERY_US = 500;
const SHOWN = 15;

/** An isolate that ran for less is not in the list; its file is written all the same. */
const SHOWN_FROM_MS = 20;

const LOADS: { [name: string]: (running: Running, sizes: Sizes) => Promise<unknown> } = {
  single: (running, sizes) => submitAndEnd(running, CONNECTIONS, sizes.submit[0].tasks),
  batches: (running, sizes) => bulkAndEnd(running, sizes.bulk[0].perRequest, sizes.bulk[0].requests),
};

/** Writes `profiles/<load>/<isolate>.cpuprofile` below `out`, and returns the list of the functions that took most time. */
export async function profile(sizes: Sizes, out: string): Promise<string> {
  const { running, targets } = await startInspected(CONNECTIONS);
  try {
    await warmUp(running, sizes.warmUp);
    const text: string[] = [];
    for (const [name, load] of Object.entries(LOADS)) {
      const folder = join(out, "profiles", name);
      mkdirSync(folder, { recursive: true });
      text.push(`# ${name}`, await profileLoad(await targets(), folder, () => load(running, sizes)));
    }
    return `${text.join("\n\n")}\n`;
  } finally {
    await running.stop();
  }
}

async function profileLoad(targets: Target[], folder: string, load: () => Promise<unknown>): Promise<string> {
  for (const target of targets) {
    await target.call("Profiler.enable");
    await target.call("Profiler.setSamplingInterval", { interval: EVERY_US });
    await target.call("Profiler.start");
  }
  await load();
  const found = [];
  for (const [i, target] of targets.entries()) {
    const { profile } = await target.call<{ profile: CpuProfile }>("Profiler.stop");
    target.close();
    const file = join(
      folder,
      `${String(i + 1).padStart(2, "0")}-${target.title.replaceAll(/[^\w.-]+/g, "_")}.cpuprofile`,
    );
    writeFileSync(file, JSON.stringify(profile));
    found.push({ title: target.title, file, ...hotFunctions(profile, EVERY_US / 1_000, SHOWN) });
  }
  return found
    .filter(({ runMs }) => runMs >= SHOWN_FROM_MS)
    .toSorted((a, b) => b.runMs - a.runMs)
    .map(({ title, file, runMs, hottest }) =>
      [
        `## ${title}: ${runMs.toFixed(0)} ms (${file})`,
        ...hottest.map(({ name, selfMs }) => `${selfMs.toFixed(1).padStart(9)} ms  ${name}`),
      ].join("\n"),
    )
    .join("\n\n");
}
