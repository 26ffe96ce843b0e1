/**
 * A real Chromium from npm alone: the `@sparticuz/chromium` package carries the browser, the libraries that a bare Linux lacks, and fonts.
 * It is unpacked once, under node_modules/.cache.
 */
import { mkdtemp, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { inflate } from "@sparticuz/chromium";
import { type Browser, chromium } from "playwright-core";
import { inTurn } from "../../scripts/in-turn.ts";

const FLAGS = [
  "--headless",
  "--no-sandbox",
  "--disable-gpu",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  "--no-first-run",
  "--disable-quic",
];

let shared: Promise<Browser> | null = null;

/** The browser of all test files of this process, with which it ends. Each test has contexts of its own in it. */
export async function shareBrowser(): Promise<Browser> {
  return (shared ??= launchChromium());
}

/** Starts a browser; the caller closes it. Off Linux x64 it is the Chrome that is installed. */
export async function launchChromium(): Promise<Browser> {
  if (process.platform !== "linux" || process.arch !== "x64")
    return chromium.launch({ channel: "chrome", args: FLAGS });
  const home = await unpacked();
  return chromium.launch({
    executablePath: join(home, "chromium"),
    args: FLAGS,
    env: {
      ...process.env,
      LD_LIBRARY_PATH: join(home, "al2023/lib"),
      FONTCONFIG_PATH: join(home, "fonts"),
      HOME: home,
    },
  });
}

async function unpacked(): Promise<string> {
  const archives = join(dirname(fileURLToPath(import.meta.resolve("@sparticuz/chromium"))), "../bin");
  const cache = join(import.meta.dirname, "../../node_modules/.cache");
  const home = join(cache, `chromium-${(await stat(join(archives, "chromium.br"))).size}`);
  if (!(await exists(home))) {
    await inTurn(`${home}.lock`, async () => {
      if (!(await exists(home))) await unpack(archives, cache, home);
    });
  }
  return home;
}

async function unpack(archives: string, cache: string, home: string): Promise<void> {
  const partial = await mkdtemp(join(cache, "chromium-"));
  // The package unpacks into the temporary directory of the moment.
  const temporary = process.env["TMPDIR"];
  process.env["TMPDIR"] = partial;
  try {
    await Promise.all(["chromium.br", "fonts.tar.br", "al2023.tar.br"].map((name) => inflate(join(archives, name))));
  } finally {
    if (temporary === undefined) delete process.env["TMPDIR"];
    else process.env["TMPDIR"] = temporary;
  }
  const fonts = join(partial, "fonts/fonts.conf");
  await writeFile(fonts, (await readFile(fonts, "utf8")).replaceAll("/tmp/fonts", join(home, "fonts")));
  await rename(partial, home).catch(() => rm(partial, { recursive: true, force: true }));
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}
