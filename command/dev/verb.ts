/** `lovage dev`: the project on this machine, by wrangler's own server, with keys and migrations. */

import { spawn } from "node:child_process";
import { once } from "node:events";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { Failure, portOf } from "../failure.ts";
import { databaseOf, findProject, loadProject, loadTools, type Loaded, type Tools } from "../project.ts";
import { defineVerb } from "../verb.ts";
import { applyMigrations } from "./database.ts";
import { ensureKeys } from "./keys.ts";

/** Where wrangler keeps the state of local resources. */
const STATE = ".wrangler/state/v3";

/** Cron triggers never fire by themselves here: one call wakes the clock after a start. */
const WAKE_EVERY_MS = 500;

export const dev = defineVerb({
  name: "dev",
  description: "Runs the project on this machine, and again whenever a file is saved",
  args: { port: { type: "string", description: "The port, 8787 unless given or in PORT" } },
  run: async (given) => {
    const port = portOf(given.port ?? process.env["PORT"] ?? "8787");
    const { root, configPath } = findProject(".");
    const { apiKey } = ensureKeys(root);
    const tools = await loadTools({ root, configPath });
    await migrate(root, loadProject({ root, configPath }, tools), tools);
    const url = `http://127.0.0.1:${port}`;
    console.log(`Lovage will serve on ${url}, with the key ${apiKey} (kept in .dev.vars)`);
    const wake = () =>
      void fetch(`${url}/cdn-cgi/local/scheduled`)
        .then(() => clearInterval(waking))
        .catch(() => {});
    const waking = setInterval(wake, WAKE_EVERY_MS);
    const code = await wranglerDev(root, port);
    clearInterval(waking);
    if (code !== 0 && code !== null) throw new Failure(`wrangler dev has ended with ${code}: what it printed says why`);
  },
});

async function migrate(root: string, { config, worker, migrations }: Loaded, { miniflare }: Tools): Promise<void> {
  const { binding } = databaseOf(config)!;
  const local = new miniflare.Miniflare(
    miniflare.convertV4MiniflareOptions({
      workers: [
        { name: "migrate", modules: true, script: "export default {}", d1Databases: worker.d1Databases },
      ] as never,
      resourcePersistencePath: join(root, STATE),
      cf: false,
      telemetry: { enabled: false },
      log: new miniflare.Log(miniflare.LogLevel.ERROR),
    }),
  );
  try {
    await applyMigrations(local, migrations, binding);
  } finally {
    await local.dispose();
  }
}

async function wranglerDev(root: string, port: number): Promise<number | null> {
  const wrangler = dirname(createRequire(join(root, "package.json")).resolve("wrangler/package.json"));
  const args = [join(wrangler, "bin/wrangler.js"), "dev", "--port", String(port), "--ip", "127.0.0.1"];
  const env = {
    ...process.env,
    WRANGLER_SEND_METRICS: "false",
    WRANGLER_LOG: "log",
    // Nothing is fetched for a start.
    CLOUDFLARE_CF_FETCH_ENABLED: "false",
  };
  const child = spawn(process.execPath, args, { cwd: root, env, stdio: "inherit" });
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => child.kill(signal));
  const [code] = (await once(child, "exit")) as [number | null];
  return code;
}
