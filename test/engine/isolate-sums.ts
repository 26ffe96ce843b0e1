/**
 * What an isolate counts in memory and writes down in its own time: every 15 s, or once what it let in is a hundredth of a quota.
 * Whichever event is there then pays for it, so tests that count exactly what an event costs leave these statements out.
 */
export function isOfSums(sql: string): boolean {
  return /\b(rollups|usage|error_groups)\b/.test(sql);
}
