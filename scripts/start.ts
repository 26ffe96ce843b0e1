/**
 * `npm start`: the service on this machine, built anew whenever a file is saved, with a key of its own and its state under
 * .wrangler/state, which `wrangler dev` shares. `-- --quiet` shows failures alone, `-- --no-types` checks no types.
 */
import { join } from "node:path";
import { parseArgs } from "node:util";
import { ensureKeys } from "../command/dev/keys.ts";
import { startLoop } from "../command/dev/loop.ts";
import { welcome } from "../command/dev/welcome.ts";
import { fail, portOf } from "../command/failure.ts";
import { buildPages } from "./build.ts";

const root = join(import.meta.dirname, "..");

/** The demo page is open, whatever .dev.vars says. */
const LOCAL = { PUBLIC_DEMO: "1" };

/** Commands that work as they stand. */
function samplesOf(url: string, key: string): [sentence: string, command: string][] {
  const auth = `-H 'authorization: Bearer ${key}'`;
  const submit = `curl -s ${url}/v1/tasks ${auth} -H 'content-type: application/json' -d '{"task":"process_item","input":{"name":"x"}}'`;
  const events = `$(${submit} | grep -o '/v1/tasks/[^"]*/events' | head -n 1)`;
  return [
    ["Submit a task", submit],
    ["Submit one and follow its events", `curl -sN -H 'accept: text/event-stream' ${auth} "${url}${events}"`],
  ];
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      quiet: { type: "boolean", default: false },
      types: { type: "boolean", default: true },
      persist: { type: "string" },
    },
    allowNegative: true,
  });
  const port = portOf(process.env["PORT"] ?? "8787");
  const { quiet, types } = values;
  if (!quiet) process.stdout.write("Lovage: building the pages ...\n");
  await buildPages();
  const { apiKey } = ensureKeys(root, ["PUBLIC_DEMO=1", "ALLOW_HOSTS=localhost"]);
  const own = values.persist === undefined ? {} : { persist: values.persist };
  const loop = await startLoop({ root, port, quiet, types, vars: LOCAL, ...own });
  const { url } = loop;
  process.stdout.write(quiet ? `Lovage serves on ${url}\n` : await welcome(loop, apiKey, samplesOf(url, apiKey)));
}

await main().catch(fail);
