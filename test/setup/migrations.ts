/** Gives each test file inside the Workers runtime an isolate that has just begun and the database as a deployment has it, whatever the file before it left there. */
import { applyD1Migrations, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { vi } from "vitest";

// Modules keep state, such as when a line was last looked at.
vi.resetModules();

const { results } = await env.DB.prepare(
  "SELECT type, name FROM sqlite_master WHERE type IN ('trigger', 'view', 'table') AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' AND name NOT LIKE '\\_cf\\_%' ESCAPE '\\' ORDER BY type = 'table'",
).all<{ type: string; name: string }>();
if (results.length > 0) {
  await env.DB.batch(results.map(({ type, name }) => env.DB.prepare(`DROP ${type} IF EXISTS "${name}"`)));
}
await applyD1Migrations(env.DB, env.TEST_MIGRATIONS);

const sleep = () => runInDurableObject(env.CLOCK.getByName("clock"), (_, state) => state.storage.deleteAlarm());
// An object whose modules were loaded anew since it was made fails once.
await sleep().catch(sleep);
