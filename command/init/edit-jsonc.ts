/** Additions to a wrangler.jsonc, which keeps its comments and its order. */

import { applyEdits, modify, parse } from "jsonc-parser";
import { Failure } from "../failure.ts";
import type { Addition } from "./additions.ts";
import type { RawConfig } from "./wanted.ts";

const OPTIONS = { allowTrailingComma: true };

export function parseJsonc(text: string, file: string): RawConfig {
  const errors: { offset: number }[] = [];
  const config = parse(text, errors as never, OPTIONS) as RawConfig;
  const [first] = errors;
  if (first === undefined && typeof config === "object" && config !== null) return config;
  throw new Failure(`${file} is not valid JSON, near line ${text.slice(0, first?.offset).split("\n").length}`);
}

export function editJsonc(text: string, additions: readonly Addition[]): string {
  const tab = /^(\t| +)"/m.exec(text)?.[1] ?? "  ";
  const formattingOptions = { insertSpaces: tab !== "\t", tabSize: tab === "\t" ? 1 : tab.length };
  let edited = text;
  for (const { kind, path, value } of additions) {
    const isNew = kind === "append" && listAt(parse(edited, [], OPTIONS), path) === null;
    const at = kind === "append" && !isNew ? [...path, -1] : path;
    const isArrayInsertion = kind === "append" && !isNew;
    edited = applyEdits(edited, modify(edited, at, isNew ? [value] : value, { formattingOptions, isArrayInsertion }));
  }
  return edited;
}

function listAt(config: unknown, path: readonly string[]): unknown[] | null {
  let node = config;
  for (const key of path) node = (node as Record<string, unknown> | undefined)?.[key];
  return Array.isArray(node) ? node : null;
}
