/** `npm start`: the service on this machine, with a key of its own and its state under .wrangler/state, which `wrangler dev` shares. */
import { appendFileSync, chmodSync, existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { parseEnv } from "node:util";
import { newKeyText } from "../src/engine/keys/text.ts";
import { newSealKey } from "./seal-key.ts";
import { fail, serve } from "./serve.ts";

const root = join(import.meta.dirname, "..");
const PAGES = [
  ["/", "Demo page"],
  ["/dashboard", "Dashboard"],
  ["/docs", "API reference"],
  ["/dashboard", "Dashboard"],
] as const;

/** The keys in .dev.vars; missing keys are created and written to it first. */
function localKeys(): { apiKey: string; sealKey: string } {
  const file = join(root, ".dev.vars");
  if (existsSync(file)) chmodSync(file, 0o600);
  const known = existsSync(file) ? parseEnv(readFileSync(file, "utf8")) : {};
  const { API_KEY: apiKey = newKeyText(), SEAL_KEY: sealKey = newSealKey() } = known;
  const lines = [
    ...(known["API_KEY"] ? [] : [`API_KEY=${apiKey}`, "PUBLIC_DEMO=1", "ALLOW_HOSTS=localhost"]),
    ...(known["SEAL_KEY"] ? [] : [`SEAL_KEY=${sealKey}`]),
  ];
  if (lines.length > 0) {
    appendFileSync(file, lines.map((line) => `${line}\n`).join(""), { mode: 0o600 });
    chmodSync(file, 0o600);
  }
  return { apiKey, sealKey };
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
  const keys = localKeys();
  const { url } = await serve({
    port: Number(process.env["PORT"] ?? 8787),
    persist: join(root, ".wrangler/state"),
    ...keys,
    publicDemo: true,
  });
  await print(url, keys.apiKey);
}

await main().catch(fail);
