/** When a schedule runs, in words. */

import cronstrue from "cronstrue";
import { nextTicks, rhythmOf, whyNoCron } from "../../../core/rhythm.ts";
import { isZone } from "../../../core/zone.ts";
import { durationWords, msOf } from "../words.ts";

/** The most runs that are shown of a schedule while it is typed. */
const PREVIEWED = 5;

/** `"At 02:30 AM, Monday through Friday"`, `"every 30 s"`. */
export function rhythmWords({ cron, every }: { cron: string | null; every: number | string | null }): string {
  if (cron !== null) return cronWords(cron) ?? cron;
  const ms = typeof every === "number" ? every : msOf(every ?? "");
  return `every ${ms === null ? every : durationWords(ms)}`;
}

/** The next runs after `at` of the schedule that is being typed, by the service's own rules; empty while it is not valid. */
export function previewOf(when: { cron: string; timezone: string } | { everyMs: number }, at: number): number[] {
  if ("everyMs" in when) {
    if (when.everyMs < 1_000) return [];
    const timing = { cron: null, timezone: "UTC", startAt: null, endAt: null, anchor: at, everyMs: when.everyMs };
    return nextTicks(rhythmOf(timing), at, PREVIEWED);
  }
  const { cron, timezone } = when;
  if (whyNoCron(cron) !== null || !isZone(timezone)) return [];
  return nextTicks(rhythmOf({ cron, timezone, everyMs: null, startAt: null, endAt: null, anchor: at }), at, PREVIEWED);
}

/** By how many minutes the clocks of the zone differ from UTC at a time. */
function offsetOf(at: number, timeZone: string): number {
  const parts = new Intl.DateTimeFormat("en", { timeZone, timeZoneName: "longOffset" }).formatToParts(at);
  const name = parts.find(({ type }) => type === "timeZoneName")?.value ?? "";
  const [, sign, hours = 0, minutes = 0] = /GMT([+-])(\d\d):(\d\d)/.exec(name) ?? [];
  return (sign === "-" ? -1 : 1) * (Number(hours) * 60 + Number(minutes));
}

/** How the zone's clocks change between two times, in words; empty where they do not. */
export function clockChange(before: string | undefined, after: string, timeZone: string): string {
  if (before === undefined) return "";
  try {
    const by = offsetOf(Date.parse(after), timeZone) - offsetOf(Date.parse(before), timeZone);
    if (by === 0) return "";
    return `clocks in ${timeZone} go ${by > 0 ? "forward" : "back"} by ${durationWords(Math.abs(by) * 60_000)} before it`;
  } catch {
    // The browser does not know the zone.
    return "";
  }
}

/** A cron expression in words; null where it is none. */
export function cronWords(cron: string): string | null {
  try {
    return cronstrue.toString(cron, { use24HourTimeFormat: true, verbose: false });
  } catch {
    return null;
  }
}
