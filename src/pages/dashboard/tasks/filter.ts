/** The filter of a list of tasks: as one types it, and as the API takes it. Pure. */

import type { TaskFilter } from "../../../client/index.ts";
import { isSearch } from "../../../core/search.ts";
import { LANES, STATES, type State } from "../states.ts";
import { msOf } from "../words.ts";

export interface Term {
  name: string;
  value: string;
}

/** The names of terms, with what they mean; `tag.` is followed by the tag's name. */
export const TERM_NAMES: readonly (readonly [string, string])[] = [
  ["state", "a state, or several with commas"],
  ["task", "the task's name"],
  ["lane", "a lane"],
  ["tag.", "a tag: tag.customer:42"],
  ["error", "the type of its error"],
  ["flow", "the id of its flow"],
  ["schedule", "the id of its schedule"],
  ["parent", "the id of the task that has made it"],
  ["root", "the id of its root task"],
  ["wait", "5m: waits or has waited for longer"],
  ["run", "1h: runs or has run for longer"],
  ["created", "2h: in the last two hours; >2h: before that; or a time"],
  ["finished", "the same for its end"],
];

/** As in the API. */
const MAX_SEARCH = 200;

const IDS: Readonly<Record<string, string>> = { flow: "flowId", parent: "parentId", root: "rootId" };

/** Reads `state:failed tag.customer:"a b"`. */
export function termsOf(text: string): Term[] {
  const found = text.matchAll(/([\w.>-]+):(?:"((?:[^"\\]|\\.)*)"|(\S*))|(\S+)/g);
  return [...found].map(([, name, inQuotes, plain, rest]) =>
    name === undefined
      ? { name: "", value: rest ?? "" }
      : { name, value: inQuotes === undefined ? (plain ?? "") : inQuotes.replaceAll(/\\(.)/g, "$1") },
  );
}

/** The text that {@link termsOf} reads as these terms. */
export function textOf(terms: readonly Term[]): string {
  return terms.map(({ name, value }) => (name === "" ? value : `${name}:${quoted(value)}`)).join(" ");
}

/** The words that stand beside the terms: what is searched for. */
export function wordsOf(terms: readonly Term[]): string {
  return terms.flatMap(({ name, value }) => (name === "" ? [value] : [])).join(" ");
}

/** The filter that terms mean at a time, and the terms that mean nothing, with why. */
export function filterOf(terms: readonly Term[], now: number): { filter: TaskFilter<string>; faults: string[] } {
  const filter: Record<string, unknown> = {};
  const tags: Record<string, string> = {};
  const faults: string[] = [];
  const q = wordsOf(terms);
  if (q !== "") {
    if (q.length > MAX_SEARCH) faults.push(`${q.slice(0, 20)}…: is more than ${MAX_SEARCH} letters to search for`);
    else if (!isSearch(q)) faults.push(`${q}: is neither a term nor a word: write name:value`);
    else filter["q"] = q;
  }
  for (const term of terms) {
    const { name, value } = term;
    const fault = (why: string) => void faults.push(`${textOf([term])}: ${why}`);
    if (name === "") continue;
    if (value === "") fault("has no value");
    else if (name.startsWith("tag.")) tags[name.slice("tag.".length)] = value;
    else if (name === "state") {
      const states = value.split(",");
      const wrong = states.find((state) => !STATES.includes(state as State));
      if (wrong === undefined) filter["state"] = states;
      else fault(`there is no state ${wrong}`);
    } else if (name === "lane") {
      if (LANES.some((lane) => lane === value)) filter["lane"] = value;
      else fault(`there is no lane ${value}`);
    } else if (name === "created" || name === "finished") {
      const time = timeOf(value, now);
      if (time === null) fault('is no time: write "2h", ">2h" or "2026-11-28T12:00:00Z"');
      else filter[`${name}${time.isBefore ? "Before" : "After"}`] = time.at;
    } else if (name === "wait" || name === "run") {
      const span = value.replace(/^>/, "");
      if (msOf(span) === null) fault("is no duration: write 5m");
      else filter[`${name}LongerThan`] = msOf(span);
    } else if (Object.hasOwn(IDS, name)) filter[IDS[name]!] = value;
    else if (name === "task" || name === "error" || name === "schedule") filter[name] = value;
    else fault(`there is no term ${name}`);
  }
  if (Object.keys(tags).length > 0) filter["tags"] = tags;
  return { filter, faults };
}

/** The address of the tasks that these terms find. */
export function tasksHref(terms: Readonly<Record<string, string | undefined>>): string {
  const given = Object.entries(terms).flatMap(([name, value]) => (value === undefined ? [] : [{ name, value }]));
  const query = new URLSearchParams({ f: textOf(given) }).toString();
  return given.length === 0 ? "#/tasks" : `#/tasks?${query}`;
}

/** A duration means an age: less than it, or with `>` more. Anything else is an instant, after or with `<` before it. */
function timeOf(value: string, now: number): { at: string; isBefore: boolean } | null {
  const [, mark = "", rest = ""] = /^([<>]?)(.*)$/s.exec(value) ?? [];
  const age = msOf(rest);
  if (age !== null) return { at: new Date(now - age).toISOString(), isBefore: mark === ">" };
  const at = /^\d{4}-/.test(rest) ? Date.parse(rest) : Number.NaN;
  return Number.isNaN(at) ? null : { at: new Date(at).toISOString(), isBefore: mark === "<" };
}

function quoted(value: string): string {
  return /^[^\s"\\]+$/.test(value) ? value : `"${value.replaceAll(/["\\]/g, String.raw`\$&`)}"`;
}
