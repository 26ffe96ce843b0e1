/** Which failures are the same error: those of one task and one error type, whose messages differ only in ids, numbers and quotes. Pure. */

import type { TaskError } from "./errors.ts";

export const GROUP_STATES = ["open", "resolved", "ignored"] as const;

/** `resolved`: it opens again with the next failure. `ignored`: it opens again at a count, where one was given. */
export type GroupState = (typeof GROUP_STATES)[number];

/** Characters of a message that are looked at, and those that a pattern keeps. */
const MAX_LOOKED_AT = 1_000;
const MAX_PATTERN = 300;

const NUMBER = "#";
const ELSEWHERE = "…";

/** Each is replaced in turn. What is looked at is short, so no message takes longer than a few milliseconds. */
const VARIABLE: readonly [RegExp, string][] = [
  // What is quoted. An apostrophe in a word quotes nothing.
  [/"[^"\n]*"/g, `"${ELSEWHERE}"`],
  [/“[^”\n]*”/g, `“${ELSEWHERE}”`],
  [/`[^`\n]*`/g, `\`${ELSEWHERE}\``],
  [/(?<!\w)'[^'\n]*'(?!\w)/g, `'${ELSEWHERE}'`],
  // A URL keeps only its host: the rest names a single thing.
  [/\b([a-z][a-z0-9+.-]{1,20}:\/\/[^\s/?"'<>]{1,200})[/?][^\s"'<>]*/gi, `$1/${ELSEWHERE}`],
  [/[\w.+-]{1,100}@[\w-]{1,100}(?:\.[\w-]{1,100})+/g, NUMBER],
  // Ids: UUIDs, hashes, `task_01h…`, and other long mixtures of letters and digits.
  [/\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b/gi, NUMBER],
  [/\b(?=[a-z]*[0-9])(?:0x)?[0-9a-f]{8,}\b/gi, NUMBER],
  [/(?<![A-Za-z0-9])(?:[A-Za-z]{1,20}_)?(?=[A-Za-z]*[0-9])[A-Za-z0-9]{16,}(?![A-Za-z0-9])/g, NUMBER],
  // Numbers with signs, separators and exponents, dates, times and addresses of machines.
  [/\d+(?:[.,:]\d+)*(?:e[+-]?\d+)?/gi, NUMBER],
  [/#(?:[-+./:_T]#)+Z?/g, NUMBER],
  [/(?<![\w#])[-+]#/g, NUMBER],
  // A list of numbers becomes one mark, however long it is.
  [/#(?:, ?#)+/g, NUMBER],
];

/** The message without what differs from one failure to the next: at most 300 characters. */
export function patternOf(message: string): string {
  let pattern = message.slice(0, MAX_LOOKED_AT);
  for (const [variable, word] of VARIABLE) pattern = pattern.replaceAll(variable, word);
  return pattern.replaceAll(/\s+/g, " ").trim().slice(0, MAX_PATTERN);
}

/** What failures of one group have in common. */
export interface ErrorGroup {
  /** The same for every tenant. */
  id: string;
  task: string;
  type: string;
  /** The pattern of its messages. */
  message: string;
}

/** The group of a task's failure. */
export function groupOf(task: string, { type, message }: Pick<TaskError, "type" | "message">): ErrorGroup {
  const pattern = patternOf(message);
  return { id: `err_${hashOf(JSON.stringify([task, type, pattern]))}`, task, type, message: pattern };
}

const GROUP_ID = /^err_[0-9a-v]{13}$/;

export function isErrorGroupId(text: string): boolean {
  return GROUP_ID.test(text);
}

/** FNV-1a, 64 bits: http://www.isthe.com/chongo/tech/comp/fnv/ */
function hashOf(text: string): string {
  let hash = 0xcbf29ce484222325n;
  for (const byte of new TextEncoder().encode(text)) {
    hash = BigInt.asUintN(64, (hash ^ BigInt(byte)) * 0x100000001b3n);
  }
  return hash.toString(32).padStart(13, "0");
}
