/** `npm start`: the service on this machine, with a key of its own and its state under .wrangler/state, which `wrangler dev` shares. */
import { appendFileSync, chmodSync, existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { parseEnv } from "node:util";
import { newKeyText } from "../src/engine/key-text.ts";
import { fail, serve } from "./serve.ts";

const root = join(import.meta.dirname, "..");
const PAGES = [
  ["/", "Demo page"],
  ["/docs", "API reference"],
  ["/dashboard", "Dashboard"],
] as const;

/** The key in .dev.vars, which is written first where there is none. */
function localKey(): string {
  const file = join(root, ".dev.vars");
  if (existsSync(file)) chmodSync(file, 0o600);
  const known = existsSync(file) ? parseEnv(readFileSync(file, "utf8")) : {};
  if (known["API_KEY"]) return known["API_KEY"];
  const key = newKeyText();
  appendFileSync(file, `API_KEY=${key}\nPUBLIC_DEMO=1\nALLOW_HOSTS=localhost\n`, { mode: 0o600 });
  chmodSync(file, 0o600);
  return key;
}

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
  const apiKey = localKey();
  const { url } = await serve({
    port: Number(process.env["PORT"] ?? 8787),
    persist: join(root, ".wrangler/state"),
    apiKey,
    publicDemo: true,
  });
  await print(url, apiKey);
}

await main().catch(fail);
