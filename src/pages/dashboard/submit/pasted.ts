/** A submission out of a pasted curl line, or out of its JSON alone. Pure. */

export interface Pasted {
  task: string;
  input: unknown;
  options: Readonly<Record<string, unknown>>;
}

const DATA = /^(?:-d|--data|--data-raw|--data-binary|--json)$/;
const JOINED = /^(?:-d|--data=|--data-raw=|--json=)(?=[{'"])(.*)$/s;

/** What the text submits; a sentence where it is none. */
export function pastedOf(text: string): Pasted | string {
  const words = wordsOf(text);
  const place = words.findIndex((word) => DATA.test(word));
  const joined = words.map((word) => JOINED.exec(word)?.[1]).find((data) => data !== undefined);
  const json = text.trimStart().startsWith("{") ? text : (joined ?? (place < 0 ? undefined : words[place + 1]));
  if (json === undefined) return "This has no body: paste a line with -d.";
  let body: unknown;
  try {
    body = JSON.parse(json);
  } catch {
    return "The body is not valid JSON.";
  }
  const { task, input, options = {} } = (body ?? {}) as { task?: unknown; input?: unknown; options?: unknown };
  if (typeof task !== "string") return "The body names no task.";
  if (typeof options !== "object" || options === null) return "The options are no object.";
  return { task, input, options: options as Pasted["options"] };
}

/** The words of a line as a POSIX shell reads them, without its expansions of `$`. */
function wordsOf(text: string): string[] {
  const words: string[] = [];
  let word: string | undefined;
  for (const [part] of text.matchAll(/'[^']*'|"(?:[^"\\]|\\[^])*"|\\[^]|\s+|[^]/g)) {
    if (part === "\\\n" || part === "\\\r") continue;
    if (/^\s+$/.test(part)) {
      if (word !== undefined) words.push(word);
      word = undefined;
    } else word = (word ?? "") + bare(part);
  }
  return word === undefined ? words : [...words, word];
}

function bare(part: string): string {
  if (part.length > 1 && part.startsWith("'")) return part.slice(1, -1);
  if (part.length > 1 && part.startsWith('"')) return part.slice(1, -1).replaceAll(/\\([\\"$`\n])/g, "$1");
  return part.length > 1 ? part.slice(1) : part;
}
