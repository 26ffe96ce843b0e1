/**
 * `npm run ready`: what `npx wrangler dev` finds missing in a fresh clone: the pages, keys in .dev.vars, and a local database with the
 * schema of this code. `npm start` needs none of it.
 */
import { join } from "node:path";
import { applyMigrations } from "../command/dev/database.ts";
import { ensureKeys } from "../command/dev/keys.ts";
import { keepPrivate, STATE } from "../command/dev/state-files.ts";
import { holdState } from "../command/dev/state-lock.ts";
import { fail } from "../command/failure.ts";
import { databaseOf, findProject, loadProject, loadTools } from "../command/project.ts";
import { buildPages } from "./build.ts";

const root = join(import.meta.dirname, "..");

async function main(): Promise<void> {
  await buildPages();
  ensureKeys(root, ["PUBLIC_DEMO=1"]);
  const project = findProject(root);
  const tools = await loadTools(project);
  const { config, worker, migrations } = loadProject(project, tools);
  const persist = join(root, ".wrangler/state");
  keepPrivate(persist);
  holdState(persist);
  const { Miniflare, convertV4MiniflareOptions, Log, LogLevel } = tools.miniflare;
  const local = new Miniflare(
    convertV4MiniflareOptions({
      workers: [
        { name: "ready", modules: true, script: "export default {}", d1Databases: worker.d1Databases },
      ] as never,
      resourcePersistencePath: join(persist, STATE),
      cf: false,
      telemetry: { enabled: false },
      log: new Log(LogLevel.ERROR),
    }),
  );
  try {
    await applyMigrations(local, migrations, databaseOf(config)!.binding);
  } finally {
    await local.dispose();
  }
  console.log("Ready: `npx wrangler dev` serves with the API_KEY of .dev.vars");
}

await main().catch(fail);
