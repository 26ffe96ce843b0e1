/** `npm start`: the service on this machine, with a key of its own and its state under .wrangler/state, which `wrangler dev` shares. */
import { join } from "node:path";
import { ensureKeys } from "../command/dev/keys.ts";
import { fail, portOf } from "../command/failure.ts";
import { serve } from "./serve.ts";

const root = join(import.meta.dirname, "..");
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
  const port = portOf(process.env["PORT"] ?? "8787");
  const keys = ensureKeys(root, ["PUBLIC_DEMO=1", "ALLOW_HOSTS=localhost"]);
  const { url } = await serve({
    port,
    persist: join(root, ".wrangler/state"),
    ...keys,
    publicDemo: true,
  });
  await print(url, keys.apiKey);
}

await main().catch(fail);
