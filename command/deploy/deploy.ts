/**
 * A deployment in the order of docs/schema-changes.md, the first one too: the database, the migrations that the running release
 * tolerates, the Worker with its queues and keys, then the migrations that only the new release tolerates. It does not touch what is there
 * already, so a second run changes nothing, and after a failure the same command continues.
 */
import { randomBytes } from "node:crypto";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { newSealKey } from "../dev/keys.ts";
import { packageRoot } from "../package.ts";
import type { Cloudflare } from "./cloudflare.ts";
import type { Deployment } from "./deployment.ts";

/** A new address takes a while to resolve everywhere, and the clock's first tick up to a minute. */
const HEALTHY_WITHIN_MS = 240_000;

export interface Outcome {
  addresses: string[];
  /** The service's own key, where this deployment created it, and the name of the secret that holds it. */
  apiKey: string | null;
  apiKeyName: string;
  /** Whether anything was created, applied or uploaded. */
  changed: boolean;
  /** Why the service is not healthy yet; null where it is. */
  unhealthy: string | null;
}

export interface Surroundings {
  say: (line: string) => void;
  /** Sends a request to the service itself. */
  fetch: (url: string) => Promise<Response>;
  /** Milliseconds between two health checks, and until the last one. */
  lookEvery: number;
  patience: number;
  /** The directory on this machine with notes of the deployments that completed. */
  notes: string;
  /** The path below which the service is mounted; none unless given. */
  mount: string;
}

const OURS: Surroundings = {
  say: (line) => void process.stdout.write(`${line}\n`),
  fetch: async (url) => fetch(url, { signal: AbortSignal.timeout(10_000) }),
  lookEvery: 2_000,
  patience: HEALTHY_WITHIN_MS,
  notes: join(packageRoot(), ".wrangler/deployed"),
  mount: "",
};

/** Deploys to an account, with as few changes as possible. */
export async function deploy(
  to: Deployment,
  cloudflare: Cloudflare,
  surroundings: Partial<Surroundings> = {},
): Promise<Outcome> {
  const around = { ...OURS, ...surroundings };
  const made = await provideDatabase(to, cloudflare, around);
  const expanded = await migrate(to, cloudflare, made.id, "expand");
  const keys = await missingKeys(to, cloudflare);
  const apiKeyName = keyNameIn(to, "API_KEY");
  if (made.isNew && !(apiKeyName in keys)) {
    around.say(
      "The Worker has a secret API_KEY already, and it is Lovage's key too: for another one, `npx wrangler secret put LOVAGE_API_KEY`",
    );
  }
  const note = join(around.notes, `${cloudflare.accountId}.${to.name}`);
  const uploads = Object.keys(keys).length > 0 || !(await isUploaded(to, cloudflare, note));
  const addresses = (await addressesOf(to, cloudflare, around)).map((address) => address + around.mount);
  if (uploads) await upload(to, cloudflare, keys);
  const contracted = await migrate(to, cloudflare, made.id, "contract");
  mkdirSync(dirname(note), { recursive: true });
  writeFileSync(note, to.fingerprint);
  return {
    addresses,
    apiKey: keys[apiKeyName] ?? null,
    apiKeyName,
    changed: made.isNew || expanded || uploads || contracted,
    unhealthy: await whyUnhealthy(addresses, around),
  };
}

async function provideDatabase(to: Deployment, { list, send }: Cloudflare, { say }: Surroundings) {
  const databases = await list<{ uuid: string; name: string }>("/d1/database");
  const found = databases.find(({ name }) => name === to.database);
  if (found !== undefined) return { id: found.uuid, isNew: false };
  say(`Making the database ${to.database}${to.location === undefined ? "" : ` in ${to.location}`}`);
  const body = { name: to.database, ...(to.location === undefined ? {} : { primary_location_hint: to.location }) };
  return { id: (await send<{ uuid: string }>("POST", "/d1/database", body)).uuid, isNew: true };
}

/** Applies the missing migrations of before (`expand`) or after (`contract`) the upload; returns whether there were any. */
async function migrate(to: Deployment, { send, wrangler }: Cloudflare, id: string, phase: "expand" | "contract") {
  // Before the first migration, the table of migrations does not exist.
  const sql = "SELECT name FROM sqlite_master WHERE type = 'table' AND name = 'd1_migrations'";
  const query = async (text: string) =>
    (await send<{ results: { name: string }[] }[]>("POST", `/d1/database/${id}/query`, { sql: text }))[0]?.results ??
    [];
  const hasTable = (await query(sql)).length > 0;
  const applied = hasTable ? (await query("SELECT name FROM d1_migrations")).map(({ name }) => name) : [];
  if (to.migrations[phase].every((name) => applied.includes(name))) return false;
  await wrangler(["d1", "migrations", "apply", to.database, "--remote", "--config", to[phase]]);
  return true;
}

/** New keys for those that the Worker does not have. A seal key is never replaced: what it has sealed could not be opened any more. */
async function missingKeys(to: Deployment, cloudflare: Cloudflare): Promise<Record<string, string>> {
  const there = await secretsOf(to, cloudflare);
  const makers = { API_KEY: () => randomBytes(32).toString("base64url"), SEAL_KEY: newSealKey };
  // A secret of this name counts with and without `LOVAGE_`: beside an application, a key may have either name.
  const missing = Object.entries(makers).filter(
    ([name]) => !there.some((each) => each.replace(/^LOVAGE_/, "") === name),
  );
  return Object.fromEntries(missing.map(([name, make]) => [keyNameIn(to, name), make()]));
}

/** The name of the secret for a key: with `LOVAGE_` where the application has a variable of the key's name. */
function keyNameIn({ config }: Deployment, name: string): string {
  return name in (config.vars ?? {}) ? `LOVAGE_${name}` : name;
}

async function secretsOf(to: Deployment, { get }: Cloudflare): Promise<string[]> {
  const secrets = await get<{ name: string }[]>(`/workers/scripts/${to.name}/secrets`);
  return (secrets ?? []).map(({ name }) => name);
}

/** Whether this deployment is the one that runs, with all of its queues. */
async function isUploaded(to: Deployment, { get, list }: Cloudflare, note: string): Promise<boolean> {
  // The version exists before its queues and its schedule do: only a deployment that completed leaves a note.
  if (noteIn(note) !== to.fingerprint) return false;
  const script = `/workers/scripts/${to.name}`;
  const deployed = await get<{ deployments: { versions: { version_id: string }[] }[] }>(`${script}/deployments`);
  const versions = deployed?.deployments[0]?.versions ?? [];
  const [running] = versions;
  if (running === undefined || versions.length > 1) return false;
  const version = await get<{ annotations?: Record<string, string> }>(`${script}/versions/${running.version_id}`);
  if (version?.annotations?.["workers/tag"] !== to.fingerprint) return false;
  const queues = (await list<{ queue_name: string }>("/queues")).map(({ queue_name: name }) => name);
  return to.queues.every((name) => queues.includes(name));
}

function noteIn(file: string): string | null {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return null;
  }
}

/** Uploads the Worker. wrangler creates the queues that it sends to; new keys are uploaded with it, so that it never runs without them. */
async function upload(to: Deployment, cloudflare: Cloudflare, keys: Record<string, string>): Promise<void> {
  const args = ["deploy", "--config", to.expand, "--tag", to.fingerprint];
  if (Object.keys(keys).length === 0) return cloudflare.wrangler(args);
  const folder = mkdtempSync(join(tmpdir(), "lovage-keys-"));
  try {
    const file = join(folder, "keys.json");
    writeFileSync(file, JSON.stringify(keys), { mode: 0o600 });
    await cloudflare.wrangler([...args, "--secrets-file", file]);
  } catch (error) {
    // The upload may have stored the keys before it failed. This one must then be shown, because it cannot be read later.
    const name = keyNameIn(to, "API_KEY");
    const isStored = keys[name] !== undefined && (await secretsOf(to, cloudflare)).includes(name);
    if (!isStored) throw error;
    throw new Error(`${(error as Error).message}\nThe API key is stored, and is shown this once: ${keys[name]}`, {
      cause: error,
    });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** The addresses of the service. An account without a workers.dev subdomain gets one. */
async function addressesOf(to: Deployment, { get, send }: Cloudflare, { say }: Surroundings): Promise<string[]> {
  const routes = [to.config.routes ?? [], to.config.route ?? []].flat();
  const domains = routes.flatMap((route) =>
    typeof route === "object" && "custom_domain" in route && route.custom_domain ? [`https://${route.pattern}`] : [],
  );
  if (!(to.config.workers_dev ?? routes.length === 0)) return domains;
  let subdomain = (await get<{ subdomain: string }>("/workers/subdomain"))?.subdomain;
  if (subdomain === undefined) {
    subdomain = `lovage-${randomBytes(4).toString("hex")}`;
    say(`Taking the name ${subdomain}.workers.dev for the account, which had none`);
    await send("PUT", "/workers/subdomain", { subdomain });
  }
  return [...domains, `https://${to.name}.${subdomain}.workers.dev`];
}

async function whyUnhealthy([address]: string[], around: Surroundings): Promise<string | null> {
  if (address === undefined) return null;
  around.say(`\nWaiting for ${address}/health`);
  const until = Date.now() + around.patience;
  for (;;) {
    const why = await around.fetch(`${address}/health`).then(
      async (answer) => (answer.ok ? null : `${answer.status} ${(await answer.text()).slice(0, 300)}`),
      (error: unknown) => String(error),
    );
    if (why === null) return null;
    const isElsewhere = around.mount === "" && why.startsWith("404");
    if (Date.now() > until)
      return isElsewhere ? `${why}. Is createLovage mounted below a path? Then give --mount /jobs` : why;
    await pause(around.lookEvery);
  }
}

/** The text that is printed after a deployment. `sample`: a submission as JSON. */
export function summaryOf({ addresses, apiKey, apiKeyName, changed, unhealthy }: Outcome, sample: string): string {
  const [address = ""] = addresses;
  const lines = [
    "",
    changed ? `Deployed: ${addresses.join(", ")}` : `Nothing to change: ${addresses.join(", ")}`,
    "",
    `  API reference  ${address}/docs`,
    `  Health         ${address}/health`,
  ];
  if (apiKey !== null) {
    const curl = `curl -s ${address}/v1/tasks -H 'authorization: Bearer ${apiKey}' -H 'content-type: application/json'`;
    lines.push(
      `  API key        ${apiKey}   (shown this once; Cloudflare keeps it as the secret ${apiKeyName})`,
      "",
      `  ${curl} -d '${sample}'`,
    );
  }
  if (unhealthy !== null) lines.push("", `It is not healthy yet: ${unhealthy}`);
  return `${lines.join("\n")}\n`;
}
