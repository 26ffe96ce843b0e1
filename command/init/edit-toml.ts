/**
 * Additions to a wrangler.toml, as text: no editor of TOML keeps comments in every case. New tables go to the end with the comments
 * that they have in Lovage's own file, items of lists into the list. What comes out is read again and compared by the caller.
 */

import { stringify } from "smol-toml";
import type { Addition } from "./additions.ts";

const HEADER = /^[ \t]*\[/m;

/** `comments`: of each table, by its own text; see `commentsIn`. */
export function editToml(text: string, additions: readonly Addition[], comments: ReadonlyMap<string, string>): string {
  const blocks: string[] = [];
  let edited = text.endsWith("\n") || text === "" ? text : `${text}\n`;
  const lists = Map.groupBy(
    additions.filter(({ kind }) => kind === "append"),
    ({ path }) => path.join("."),
  );
  for (const { kind, path, value } of additions) {
    if (kind === "set" && typeof value !== "object")
      edited = beforeTables(edited, `${path.join(".")} = ${inline(value)}\n`);
    if (kind === "set" && typeof value === "object") blocks.push(...tablesOf(path[0], value));
  }
  for (const [path, items] of lists) {
    const values = items.map(({ value }) => value);
    const keys = path.split(".");
    const inserted = intoList(edited, keys.slice(0, -1).join("."), keys.at(-1) ?? "", values.map(inline));
    if (inserted !== null) edited = inserted;
    else if (values.every((value) => typeof value === "object"))
      blocks.push(...values.map((value) => tableOf(keys, value)));
    else if (keys.length === 1) edited = beforeTables(edited, listOf(path, values));
    else {
      const lines = listOf(keys.at(-1) ?? "", values);
      const header = headerOf(keys[0]);
      if (header.test(edited)) edited = edited.replace(header, (found) => found + lines);
      else blocks.push(`[${keys[0]}]\n${lines}`);
    }
  }
  const told = blocks.map((block) => (comments.get(keyOf(block)) ?? "") + block.trim());
  return told.length === 0 ? edited : `${edited.trimEnd()}\n\n${told.join("\n\n")}\n`.replace(/^\n+/, "");
}

/** The comments before each table of a file. */
export function commentsIn(text: string): Map<string, string> {
  const comments = new Map<string, string>();
  for (const paragraph of text.split(/\n{2,}/)) {
    const lines = paragraph.split("\n");
    const count = lines.findIndex((line) => !line.startsWith("#"));
    if (count > 0 && lines[count].startsWith("[")) {
      const comment = lines.slice(0, count).join("\n");
      comments.set(keyOf(lines.slice(count).join("\n")), `${comment}\n`);
    }
  }
  return comments;
}

/** A table's header and the end of its name, the same in Lovage's own file and in a project's, where names may have a word before them. */
function keyOf(block: string): string {
  const [header = "", first = ""] = block.trim().split("\n");
  const named = /"(?:LOVAGE_)?([\w-]+)"$/.exec(first.trim())?.[1] ?? "";
  return `${header.trim()} ${named.replace(/^.*(?=lovage-)/, "")}`;
}

function tablesOf(key: string, value: unknown): string[] {
  return stringify({ [key]: value }).split(/\n{2,}/);
}

function tableOf(keys: readonly string[], value: unknown): string {
  const fields = Object.entries(value as object).map(([key, field]) => `${key} = ${inline(field)}`);
  return `[[${keys.join(".")}]]\n${fields.join("\n")}`;
}

function listOf(key: string, values: readonly unknown[]): string {
  if (values.length === 1) return `${key} = [${inline(values[0])}]\n`;
  return `${key} = [\n${values.map((value) => `  ${inline(value)},\n`).join("")}]\n`;
}

function inline(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(inline).join(", ")}]`;
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  return `{ ${Object.entries(value)
    .map(([key, field]) => `${key} = ${inline(field)}`)
    .join(", ")} }`;
}

/** Keys of the file itself stand before its first table, and before that table's comment. */
function beforeTables(text: string, lines: string): string {
  const header = HEADER.exec(text)?.index ?? text.length;
  const top = text
    .slice(0, header)
    .replace(/(?:[ \t]*#.*\n)+$/, "")
    .trimEnd();
  const rest = text.slice(top.length);
  return top === "" ? `${lines}\n${rest.trimStart()}` : `${top}\n${lines}${rest.replace(/^\n/, "")}`;
}

function headerOf(table: string): RegExp {
  return new RegExp(`^[ \\t]*\\[[ \\t]*${table.replace(".", "\\.")}[ \\t]*\\][^\\n]*\\n?`, "m");
}

/** Puts items at the end of the list `key` of a table ("" for the file itself); null where there is no such list in brackets. */
function intoList(text: string, table: string, key: string, items: readonly string[]): string | null {
  let from = 0;
  if (table !== "") {
    const header = headerOf(table).exec(text);
    if (header === null) return null;
    from = header.index + header[0].length;
  }
  const end = from + (HEADER.exec(text.slice(from))?.index ?? text.length - from);
  const opening = new RegExp(`^[ \\t]*${key}[ \\t]*=[ \\t]*\\[`, "m").exec(text.slice(from, Math.max(end, from)));
  if (opening === null) return null;
  const start = from + opening.index + opening[0].length;
  const { last, close } = endOfList(text, start);
  const comma = last >= start && text[last] !== "," ? "," : "";
  const line = text.lastIndexOf("\n", close) + 1;
  if (last < line) {
    const indent = /\n([ \t]+)[^\s\]]/.exec(text.slice(start - 1, close))?.[1] ?? "  ";
    const added = items.map((item) => `${indent}${item},\n`).join("");
    if (last < start) return text.slice(0, line) + added + text.slice(line);
    return text.slice(0, last + 1) + comma + text.slice(last + 1, line) + added + text.slice(line);
  }
  const space = last >= start ? " " : "";
  return text.slice(0, last + 1) + comma + space + items.join(", ") + text.slice(close);
}

/** The place of the last character of the last item, or of a comma after it, and that of the closing bracket. */
function endOfList(text: string, start: number): { last: number; close: number } {
  let depth = 0;
  let last = start - 1;
  for (let at = start; at < text.length; at++) {
    const char = text[at];
    if (char === "#") {
      at = text.indexOf("\n", at);
      if (at < 0) break;
    } else if (char === '"' || char === "'") {
      do at = text.indexOf(char, at + 1);
      while (char === '"' && at > 0 && isEscaped(text, at));
      if (at < 0) break;
      last = at;
    } else if (char === "]" && depth === 0) return { last, close: at };
    else if (/\S/.test(char)) {
      if (char === "[" || char === "{") depth++;
      if (char === "]" || char === "}") depth--;
      last = at;
    }
  }
  return { last, close: text.length };
}

function isEscaped(text: string, at: number): boolean {
  let slashes = 0;
  while (text[at - 1 - slashes] === "\\") slashes++;
  return slashes % 2 === 1;
}
