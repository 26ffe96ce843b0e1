/** Times: the reader's own, with UTC on hover. */

import { now } from "../reach.ts";
import { ageWords, clockWords } from "../words.ts";

/** How long ago, or in how long. */
export function Age({ at }: { at: string | null }) {
  if (at === null) return <>–</>;
  const ms = now.value - Date.parse(at);
  return (
    <time dateTime={at} title={`${new Date(at).toLocaleString()} (${at})`}>
      {ms < -500 ? `in ${ageWords(-ms)}` : ageWords(ms)}
    </time>
  );
}

/** At what time. */
export function At({ at }: { at: string | null }) {
  if (at === null) return <>–</>;
  return (
    <time dateTime={at} title={at}>
      {clockWords(Date.parse(at), now.value)}
    </time>
  );
}
