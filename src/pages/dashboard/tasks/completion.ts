/** The completions of the filter bar, with how many tasks each would find. */

import type { Stats } from "../../../contract/stats.ts";
import { LANES, STATES } from "../states.ts";
import { countWords } from "../words.ts";
import { TERM_NAMES, textOf } from "./filter.ts";
import type { Offer, Offers } from "./offered.ts";

export interface Completion {
  /** The text that replaces the last word. */
  text: string;
  words: string;
}

const MOST = 10;

/** Completions of the last word of `text`. */
export function completionsOf(
  text: string,
  stats: Stats | undefined,
  seenTags: readonly string[],
  offers: Offers = {},
): Completion[] {
  const last = /\S*$/.exec(text)?.[0] ?? "";
  const [, name, begun] = /^([\w.-]+):(.*)$/s.exec(last) ?? [];
  if (name === undefined || begun === undefined) return namesLike(last, seenTags);
  return valuesOf(name, stats, offers)
    .filter(({ value }) => value.startsWith(begun) && value !== begun)
    .slice(0, MOST)
    .map(({ value, count, words }) => ({
      text: `${textOf([{ name, value }])} `,
      words: [count === undefined ? "" : countWords(count), words ?? ""].filter(Boolean).join(", "),
    }));
}

/** The name of the term that is being typed; empty before its colon. */
export function typedName(text: string): string {
  return /(?:^|\s)([\w.-]+):\S*$/.exec(text)?.[1] ?? "";
}

/** The text with its last word completed. */
export function completed(text: string, { text: by }: Completion): string {
  return text.replace(/\S*$/, () => by);
}

function namesLike(begun: string, seenTags: readonly string[]): Completion[] {
  const names = TERM_NAMES.filter(([name]) => name !== "tag.").map(([name, words]) => ({ text: `${name}:`, words }));
  const tags = seenTags.map((tag) => ({ text: `tag.${tag}:`, words: "a tag" }));
  const all = [...names, ...(tags.length > 0 ? tags : [{ text: "tag.", words: "a tag: tag.customer:42" }])];
  return all.filter(({ text }) => text.startsWith(begun)).slice(0, MOST);
}

const USUAL_ERRORS = ["timeout", "worker_lost", "dependency_failed", "cancelled", "expired", "invalid_output"];

function valuesOf(name: string, stats: Stats | undefined, offers: Offers): readonly Offer[] {
  switch (name) {
    case "state":
      return STATES.map((state) => ({ value: state, ...counted(stats?.states[state]) }));
    case "lane":
      return LANES.map((lane) => ({ value: lane, ...counted(total(stats?.lanes.find((each) => each.lane === lane))) }));
    case "task":
      return (stats?.tasks ?? []).map((each) => ({ value: each.task, ...counted(total(each)) }));
    case "error":
      return (offers[name] ?? []).length > 0 ? offers[name]! : USUAL_ERRORS.map((value) => ({ value }));
    case "flow":
    case "schedule":
      return offers[name] ?? [];
    case "created":
    case "finished":
      return ["5m", "1h", "24h", "7d", ">1h"].map((value) => ({ value }));
    case "wait":
    case "run":
      return ["10s", "1m", "5m", "1h"].map((value) => ({ value }));
    default:
      return [];
  }
}

function total(figures: Pick<Stats, "states"> | undefined): number | undefined {
  return figures && Object.values(figures.states).reduce((sum, n) => sum + n, 0);
}

function counted(count: number | undefined): { count?: number } {
  return count === undefined ? {} : { count };
}
