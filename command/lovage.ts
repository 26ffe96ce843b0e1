#!/usr/bin/env node
/** The command `lovage`. Each verb is loaded only when it is called, so that none waits for what others need. */

import { defineCommand, runCommand, showUsage } from "citty";
import { nearest } from "../src/core/nearest.ts";
import { fail, Failure } from "./failure.ts";
import { ownPackage } from "./package.ts";

const VERBS = {
  init: async () => (await import("./init/verb.ts")).init,
  dev: async () => (await import("./dev/verb.ts")).dev,
  deploy: async () => (await import("./deploy/verbs.ts")).deployVerb,
  destroy: async () => (await import("./deploy/verbs.ts")).destroyVerb,
  doctor: async () => (await import("./doctor/verb.ts")).doctor,
  submit: async () => (await import("./service/verbs.ts")).submit,
  explain: async () => (await import("./service/verbs.ts")).explain,
  keys: async () => (await import("./service/verbs.ts")).keys,
  tail: async () => (await import("./service/watch-verbs.ts")).tail,
  top: async () => (await import("./service/watch-verbs.ts")).top,
};

const main = defineCommand({
  meta: { name: "lovage", version: ownPackage().version, description: "Asynchronous tasks on Cloudflare" },
  subCommands: VERBS,
});

const NODE = 22;

async function run(rawArgs: string[]): Promise<void> {
  const [verb = ""] = rawArgs;
  if (verb === "--version" || verb === "-v") return console.log(ownPackage().version);
  const isKnown = Object.hasOwn(VERBS, verb);
  // Before the verb is loaded: an older Node lacks modules that it imports.
  if (isKnown && Number(process.versions.node.split(".")[0]) < NODE) {
    throw new Failure(`Node ${process.version} is too old, for wrangler too: take Node ${NODE} or later`);
  }
  const found = isKnown ? await VERBS[verb as keyof typeof VERBS]() : null;
  if (verb === "" || rawArgs.includes("--help") || rawArgs.includes("-h"))
    return showUsage(found ?? main, found === null ? undefined : main);
  if (found === null) {
    const near = nearest(verb, Object.keys(VERBS));
    const hint = near === null ? `there is ${Object.keys(VERBS).join(", ")}` : `did you mean ${near}?`;
    throw new Failure(`there is no \`lovage ${verb}\`; ${hint}`);
  }
  await runCommand(found, { rawArgs: rawArgs.slice(1) }).catch((error: unknown) => {
    throw withoutJargon(verb, error);
  });
}

/** A better sentence for a missing argument than that of the command line's parser. */
function withoutJargon(verb: string, error: unknown): unknown {
  const missing =
    error instanceof Error ? /^Missing required positional argument: (\S+)/.exec(error.message)?.[1] : undefined;
  if (missing === undefined) return error;
  return new Failure(`lovage ${verb} needs <${missing.toLowerCase()}>: see lovage ${verb} --help`);
}

await run(process.argv.slice(2)).catch(fail);
