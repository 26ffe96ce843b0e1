/** The secrets of a local server, in `.dev.vars`, where `wrangler dev` reads them too. */

import { randomBytes } from "node:crypto";
import { appendFileSync, chmodSync, existsSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { parseEnv } from "node:util";
import { newKeyText } from "../../src/engine/keys/text.ts";

export function newSealKey(): string {
  return `${randomBytes(4).toString("hex")}:${randomBytes(32).toString("base64")}`;
}

export interface Keys {
  apiKey: string;
  sealKey: string;
}

/** The keys in `.dev.vars`; missing keys are created and written to it first, with `lines` if it had no API key. */
export function ensureKeys(root: string, lines: readonly string[] = []): Keys {
  const file = join(root, ".dev.vars");
  const text = existsSync(file) ? readFileSync(file, "utf8") : "";
  const known = parseEnv(text);
  // A name with `LOVAGE_` goes before the name without; see `ownBindings`.
  const ownApiKey = known["LOVAGE_API_KEY"] || known["API_KEY"];
  const ownSealKey = known["LOVAGE_SEAL_KEY"] || known["SEAL_KEY"];
  const apiKey = ownApiKey || newKeyText();
  const sealKey = ownSealKey || newSealKey();
  const added = [...(ownApiKey ? [] : [`API_KEY=${apiKey}`, ...lines]), ...(ownSealKey ? [] : [`SEAL_KEY=${sealKey}`])];
  if (added.length > 0) {
    const before = text === "" || text.endsWith("\n") ? "" : "\n";
    appendFileSync(file, before + added.map((line) => `${line}\n`).join(""), { mode: 0o600 });
  }
  // Only where it differs: a development loop that runs here would take a change of the mode for a save.
  if ((statSync(file).mode & 0o777) !== 0o600) chmodSync(file, 0o600);
  return { apiKey, sealKey };
}
