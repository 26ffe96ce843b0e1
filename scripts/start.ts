/**
 * `npm start`: the service on this machine, built anew whenever a file is saved, with a key of its own and its state under
 * .wrangler/state, which `wrangler dev` shares. `-- --quiet` shows failures alone, `-- --no-types` checks no types.
 */
import { join } from "node:path";
import { parseArgs } from "node:util";
import { ensureKeys } from "../command/dev/keys.ts";
import { startLoop } from "../command/dev/loop.ts";
import { fail, portOf } from "../command/failure.ts";
import { buildPages } from "./build.ts";

const root = join(import.meta.dirname, "..");

/** The demo page is open, whatever .dev.vars says. */
const LOCAL = { PUBLIC_DEMO: "1" };
const PAGES = [
  ["/", "Demo page"],
  ["/dashboard", "Dashboard"],
  ["/docs", "API reference"],
  ["/dashboard", "Dashboard"],
] as const;

async function print(url: string, key: string): Promise<void> {
  const answers = await Promise.all(PAGES.map(([path]) => fetch(url + path)));
  const there = PAGES.filter((_, index) => answers[index]?.ok);
  const auth = `-H 'authorization: Bearer ${key}'`;
  const submit = `curl -s ${url}/v1/tasks ${auth} -H 'content-type: application/json' -d '{"task":"process_item","input":{"name":"x"}}'`;
  const events = `$(${submit} | grep -o '/v1/tasks/[^"]*/events' | head -n 1)`;
  console.log(`
Lovage serves on ${url}

${there.map(([path, name]) => `  ${name.padEnd(14)} ${url}${path}`).join("\n")}
  Key            ${key}   (kept in .dev.vars)

Submit a task:

  ${submit}

Submit one and follow its events:

  curl -sN -H 'accept: text/event-stream' ${auth} "${url}${events}"

Ctrl-C stops it; what was submitted stays.
`);
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
  process.stdout.write("Lovage: building the pages ...\n");
  await buildPages();
  const { apiKey } = ensureKeys(root, ["PUBLIC_DEMO=1", "ALLOW_HOSTS=localhost"]);
  const { quiet, types } = values;
  const own = values.persist === undefined ? {} : { persist: values.persist };
  const { url } = await startLoop({ root, port, quiet, types, vars: LOCAL, ...own });
  await print(url, apiKey);
}

await main().catch(fail);
