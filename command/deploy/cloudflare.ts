/** The part of Cloudflare's REST API that a deployment uses, with the login of wrangler. */
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { Failure } from "../failure.ts";
import { packageRoot } from "../package.ts";

/** The environment from before the build. The build makes wrangler quiet, but wrangler's output about a deployment must be shown. */
const inherited = { ...process.env };

/** A call that the API refused. */
export class CloudflareError extends Error {
  override readonly name = "CloudflareError";
  readonly status: number;
  constructor(call: string, status: number, why: string) {
    super(`Cloudflare answered ${call} with ${status}: ${why}`);
    this.status = status;
  }
}

/** One account. */
export interface Cloudflare {
  accountId: string;
  /** The result of a GET below the account; null for 404. */
  get: <T>(path: string) => Promise<T | null>;
  /** The items of all pages of a list. */
  list: <T>(path: string) => Promise<T[]>;
  /** A call that changes something, or queries the database. */
  send: <T>(method: "POST" | "PUT" | "DELETE", path: string, body?: unknown) => Promise<T>;
  /** Runs one command of wrangler on this account, without prompts. */
  wrangler: (args: string[]) => Promise<void>;
}

interface Answer {
  success: boolean;
  result: unknown;
  errors?: { code: number; message: string }[];
  result_info?: { page?: number; total_pages?: number };
}

const PER_PAGE = 100;

/** Connects to the account of CLOUDFLARE_ACCOUNT_ID, or to the only one that the user has. `root`: the project whose wrangler is used. */
export async function connectCloudflare(given: NodeJS.ProcessEnv = {}, root = packageRoot()): Promise<Cloudflare> {
  const environment = { ...inherited, ...given };
  const base = environment["CLOUDFLARE_API_BASE_URL"] ?? "https://api.cloudflare.com/client/v4";
  const headers = await credentials(environment, root);

  async function call(method: string, path: string, body?: unknown): Promise<Answer> {
    const response = await fetch(base + path, {
      method,
      headers: { ...headers, ...(body === undefined ? {} : { "content-type": "application/json" }) },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    let answer: Answer;
    try {
      answer = JSON.parse(text) as Answer;
    } catch {
      throw new CloudflareError(`${method} ${path}`, response.status, text.slice(0, 200));
    }
    if (response.ok && answer.success) return answer;
    const why = answer.errors?.map(({ code, message }) => `${message} (${code})`).join("; ") ?? "no reason given";
    throw new CloudflareError(`${method} ${path}`, response.status, why);
  }

  const accountId = environment["CLOUDFLARE_ACCOUNT_ID"] ?? onlyOne((await call("GET", "/accounts")).result);
  const account = `/accounts/${accountId}`;
  return {
    accountId,
    get: async <T>(path: string) => {
      try {
        return (await call("GET", account + path)).result as T;
      } catch (error) {
        if (error instanceof CloudflareError && error.status === 404) return null;
        throw error;
      }
    },
    list: async <T>(path: string) => {
      const all: T[] = [];
      for (let page = 1; ; page++) {
        const { result, result_info: info } = await call("GET", `${account}${path}?page=${page}&per_page=${PER_PAGE}`);
        const items = result as T[];
        all.push(...items);
        if (info?.total_pages === undefined ? items.length < PER_PAGE : page >= info.total_pages) return all;
      }
    },
    send: async <T>(method: string, path: string, body?: unknown) =>
      (await call(method, account + path, body)).result as T,
    wrangler: async (args) => {
      process.stdout.write(`\n> wrangler ${args.join(" ")}\n`);
      // With `CI`, wrangler answers its own prompts: the user has already asked for the deployment.
      const env = { ...environment, CLOUDFLARE_ACCOUNT_ID: accountId, CI: "true" };
      const code = await exitCode(args, env, root);
      if (code !== 0) throw new Error(`wrangler ${args.join(" ")} failed (${code}); fix the cause and deploy again`);
    },
  };
}

function onlyOne(result: unknown): string {
  const accounts = result as { id: string; name: string }[];
  const [first] = accounts;
  if (first !== undefined && accounts.length === 1) return first.id;
  const names = accounts.map(({ id, name }) => `  ${id}  ${name}`).join("\n");
  throw new Error(`set CLOUDFLARE_ACCOUNT_ID to one of these accounts:\n${names}`);
}

async function credentials(environment: NodeJS.ProcessEnv, root: string): Promise<Record<string, string>> {
  const token = environment["CLOUDFLARE_API_TOKEN"];
  if (token !== undefined) return { authorization: `Bearer ${token}` };
  const known = await wranglersCredentials(environment, root);
  if (known !== null) return known;
  if (!process.stdin.isTTY) {
    throw new Error("no login to Cloudflare: set CLOUDFLARE_API_TOKEN (it may edit Workers scripts, D1 and Queues)");
  }
  await exitCode(["login"], environment, root);
  const granted = await wranglersCredentials(environment, root);
  if (granted === null) throw new Error("no login to Cloudflare: run npx wrangler login");
  return granted;
}

/** The credentials of `wrangler login` or of the environment; null where there are none. */
async function wranglersCredentials(
  environment: NodeJS.ProcessEnv,
  root: string,
): Promise<Record<string, string> | null> {
  const args = [wranglerIn(root), "auth", "token", "--json"];
  const answer = await promisify(execFile)(process.execPath, args, { env: environment }).catch(() => null);
  if (answer === null) return null;
  const found = JSON.parse(answer.stdout) as { token?: string; key?: string; email?: string };
  if (found.token !== undefined) return { authorization: `Bearer ${found.token}` };
  return { "x-auth-key": found.key ?? "", "x-auth-email": found.email ?? "" };
}

function wranglerIn(root: string): string {
  try {
    return join(dirname(createRequire(join(root, "package.json")).resolve("wrangler/package.json")), "bin/wrangler.js");
  } catch {
    throw new Failure(`wrangler is not installed in ${root}: run \`npm install --save-dev wrangler\``);
  }
}

async function exitCode(args: string[], env: NodeJS.ProcessEnv, root: string): Promise<number> {
  const child = spawn(process.execPath, [wranglerIn(root), ...args], {
    cwd: root,
    env,
    stdio: "inherit",
  });
  const [code] = (await once(child, "exit")) as [number | null];
  return code ?? 1;
}
