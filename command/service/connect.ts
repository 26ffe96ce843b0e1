/** Which service a verb talks to, with which key, and the sentence for a failure. */

import { existsSync, readFileSync } from "node:fs";
import { resolve } from "node:path";
import { parseEnv } from "node:util";
import { createClient, type Client } from "../../src/client/create-client.ts";
import { ConnectionError, LovageProblem } from "../../src/client/problem-errors.ts";
import type { Tasks } from "../../src/contract/typed-task.ts";
import { Failure } from "../failure.ts";

/** The options of every verb that talks to a service. */
export const SERVICE = {
  url: { type: "string", description: "Where it is: LOVAGE_URL, or this machine's, unless given" },
  key: {
    type: "string",
    description: "Its key: LOVAGE_API_KEY, or that of .dev.vars for this machine's, unless given",
  },
} as const;

export interface Service {
  url: string;
  isLocal: boolean;
  client: Client<Tasks>;
}

type Given = { url?: string | undefined; key?: string | undefined };

/** The service that the options, the environment or the local state name. Throws a `Failure` where there is no key for it. */
export function connectTo(given: Given, env: NodeJS.ProcessEnv = process.env, folder = "."): Service {
  const url = given.url ?? env["LOVAGE_URL"] ?? `http://127.0.0.1:${env["PORT"] ?? "8787"}`;
  if (!URL.canParse(url) || !/^https?:/.test(url)) {
    throw new Failure(`${JSON.stringify(url)} is no address of a service: give --url https://tasks.example.com`);
  }
  const isLocal = isLoopback(url);
  // The key in .dev.vars is only for a service on this machine.
  const apiKey = given.key ?? env["LOVAGE_API_KEY"] ?? (isLocal ? localKey(folder) : undefined);
  if (apiKey === undefined) {
    const where = isLocal
      ? "there is none in .dev.vars here, where `lovage dev` puts one"
      : "the key in .dev.vars is only for a service on this machine";
    throw new Failure(`there is no key for ${url}: give --key or LOVAGE_API_KEY (${where})`);
  }
  return { url, isLocal, client: createClient({ baseUrl: url, apiKey, retries: 1 }) };
}

export function isLoopback(url: string): boolean {
  return /^(localhost|127(\.\d+){3}|\[::1\])$/.test(new URL(url).hostname);
}

/** The key in a project's `.dev.vars`. */
export function localKey(folder: string): string | undefined {
  const file = resolve(folder, ".dev.vars");
  if (!existsSync(file)) return undefined;
  const known = parseEnv(readFileSync(file, "utf8"));
  return known["LOVAGE_API_KEY"] || known["API_KEY"] || undefined;
}

/** Runs a verb on the service, and turns a refusal into a sentence. */
export async function talk<T>(given: Given, what: (service: Service) => Promise<T>): Promise<T> {
  const service = connectTo(given);
  try {
    return await what(service);
  } catch (error) {
    if (error instanceof LovageProblem)
      throw new Failure(`${service.url} refuses (${error.status} ${error.name}): ${error.message}`);
    if (error instanceof ConnectionError) {
      throw new Failure(
        `nothing answers at ${service.url}${service.isLocal ? ": `lovage dev` starts it" : ""} (${error.message})`,
      );
    }
    throw error;
  }
}
