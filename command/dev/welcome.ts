/** What is printed once the service is open. */

import type { Loop } from "./loop.ts";

const PAGES = [
  ["/", "Demo page"],
  ["/dashboard", "Dashboard"],
  ["/docs", "API reference"],
] as const;

/** The addresses that answer, the key, and `samples`: what may be done next, each with its sentence. */
export async function welcome(
  { url, base }: Pick<Loop, "url" | "base">,
  key: string,
  samples: readonly [sentence: string, command: string][],
): Promise<string> {
  const pages = await Promise.all(
    PAGES.map(async ([path, name]) => ((await isOurs(url + base + path)) ? [name, url + base + path] : [])),
  );
  const rows = [...pages.filter((row) => row.length > 0), ["Key", `${key}   (kept in .dev.vars)`]];
  return `
Lovage serves on ${url}${base}

${rows.map(([name, what]) => `  ${name.padEnd(14)} ${what}`).join("\n")}

${samples.map(([sentence, command]) => `${sentence}:\n\n  ${command}\n`).join("\n")}
Ctrl-C stops it; what was submitted stays.
`;
}

/** Whether the page at this address is Lovage's: a project may have a page of its own there. */
async function isOurs(url: string): Promise<boolean> {
  const answer = await fetch(url).catch(() => null);
  const isPage = answer?.ok === true && /<title>[^<]*Lovage/i.test(await answer.text());
  return isPage;
}
