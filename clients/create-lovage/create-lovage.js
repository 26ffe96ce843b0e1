#!/usr/bin/env node
/** `npm create lovage [FOLDER]` is `lovage init [FOLDER]`, with the release that this package names. */
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";

const manifest = createRequire(import.meta.url).resolve("lovage/package.json");
const { bin } = JSON.parse(readFileSync(manifest, "utf8"));
const args = [join(dirname(manifest), bin.lovage), "init", ...process.argv.slice(2)];
const { status } = spawnSync(process.execPath, args, { stdio: "inherit" });
process.exitCode = status ?? 1;
