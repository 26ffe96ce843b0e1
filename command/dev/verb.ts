/** `lovage dev`: the project on this machine, built anew whenever a file is saved. */

import { portOf } from "../failure.ts";
import { findProject } from "../project.ts";
import { defineVerb } from "../verb.ts";
import { ensureKeys } from "./keys.ts";
import { startLoop, type Loop } from "./loop.ts";
import { welcome } from "./welcome.ts";

export const dev = defineVerb({
  name: "dev",
  description: "Runs the project on this machine, and swaps in what is saved",
  args: {
    port: { type: "string", description: "The port, 8787 unless given or in PORT; 0 picks a free one" },
    persist: { type: "string", description: "The folder of all state, .wrangler/state unless given" },
    quiet: { type: "boolean", description: "Shows failures and warnings alone", default: false },
    types: { type: "boolean", description: "Checks types in the background", default: true },
  },
  run: async ({ port: given, persist, quiet, types }) => {
    const port = portOf(given ?? process.env["PORT"] ?? "8787");
    const { root } = findProject(".");
    const { apiKey } = ensureKeys(root);
    const loop = await startLoop({ root, port, quiet, types, ...(persist === undefined ? {} : { persist }) });
    process.stdout.write(
      quiet ? `Lovage serves on ${loop.url}${loop.base}\n` : await welcome(loop, apiKey, samplesOf(loop)),
    );
  },
});

/** Sample commands with the task of a new project, or else with the first task. */
function samplesOf({ url, base, tasks }: Loop): [sentence: string, command: string][] {
  const named = tasks.includes("greet") ? ["greet", '{"name": "Ada"}'] : [tasks[0] ?? "task", "{}"];
  const where = url.endsWith(":8787") && base === "" ? "" : ` --url ${url}${base}`;
  const submit = `npx lovage submit ${named[0]} '${named[1]}' --wait${where}`;
  return [
    ["Submit a task, in another terminal", submit],
    ["See what happens, and how much there is", `npx lovage tail${where}`],
  ];
}
