/** Adds Lovage to the Worker's own module, whose handlers go on answering beside it. */

import { Failure } from "../failure.ts";

const CLASSES = ["AttemptObject", "Clock", "ProgressObject", "RateObject"];
export const EXPORTS = `export { ${CLASSES.join(", ")} } from "lovage";`;

const DEFAULT = /^export default /m;

/** The module with Lovage in it; the same text where Lovage is in it already. Throws a `Failure` with what to write by hand. */
export function editMain(text: string, file: string): string {
  if (/from ["']lovage["']/.test(text)) return text;
  const clash = CLASSES.find((name) => new RegExp(`^export (?:class|const|function) ${name}\\b`, "m").test(text));
  if (clash !== undefined) {
    throw new Failure(
      `${file} exports a ${clash} of its own, which is the name of a class of Lovage's: give yours another name`,
    );
  }
  const ending = text.match(/^export default /gm) ?? [];
  const kind = /^export default (class|function|async function)\b/m.exec(text)?.[1];
  if (ending.length !== 1 || kind !== undefined) throw new Failure(byHand(file, kind));
  const named = /^export default ([A-Za-z_$][\w$]*)[ \t]*;?[ \t]*$/m.exec(text);
  const app = named?.[1] ?? freeName(text);
  const last = `export default createLovage({ tasks, schedules, app${app === "app" ? "" : `: ${app}`} });`;
  const body =
    named === null
      ? `${text.replace(DEFAULT, `const ${app} = `).trimEnd()}\n\n${last}\n`
      : text.replace(named[0], last);
  return withImports(body);
}

/** Imports stand after those that are there. */
function withImports(text: string): string {
  const imports = [
    'import { createLovage } from "lovage";',
    'import { schedules } from "./schedules";',
    'import { tasks } from "./tasks/index";',
    "",
    EXPORTS,
  ].join("\n");
  const end = [...text.matchAll(/^import\b[^;'"]*(?:from\s*)?["'][^"']+["'];?[ \t]*\n/gm)].at(-1);
  const at = end === undefined ? 0 : end.index + end[0].length;
  return `${text.slice(0, at)}${imports}\n${at === 0 ? "\n" : ""}${text.slice(at)}`;
}

function freeName(text: string): string {
  return ["app", "worker", "otherHandlers"].find((name) => !new RegExp(`\\b${name}\\b`).test(text)) ?? "besideLovage";
}

function byHand(file: string, kind: string | undefined): string {
  const why = kind === undefined ? "has no single `export default`" : `exports a ${kind} by default`;
  return `${file} ${why}, which this cannot change by itself. Write in it:
  import { createLovage } from "lovage";
  ${EXPORTS}
  export default createLovage({ tasks, schedules, app }); // app: your handlers, or your fetch function
and run \`lovage init\` again for the bindings`;
}
