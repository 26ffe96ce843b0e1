/** When a schedule runs, in words. */

import cronstrue from "cronstrue";
import { durationWords, msOf } from "../words.ts";

/** `"At 02:30 AM, Monday through Friday"`, `"every 30 s"`. */
export function rhythmWords({ cron, every }: { cron: string | null; every: number | string | null }): string {
  if (cron !== null) return cronWords(cron) ?? cron;
  const ms = typeof every === "number" ? every : msOf(every ?? "");
  return `every ${ms === null ? every : durationWords(ms)}`;
}

/** A cron expression in words; null where it is none. */
export function cronWords(cron: string): string | null {
  try {
    return cronstrue.toString(cron, { use24HourTimeFormat: true, verbose: false });
  } catch {
    return null;
  }
}
