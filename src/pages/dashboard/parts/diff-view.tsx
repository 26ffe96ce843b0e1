/** What is different between two JSON values. */

import { many, shortened } from "../words.ts";
import { jsonDiff } from "./json-diff.ts";

/** The most lines that are shown, and the most characters of each. */
const MOST = 500;
const MOST_TEXT = 500;

const MARKS = { same: " ", gone: "-", new: "+" } as const;

export function DiffView({ before, after, label }: { before: unknown; after: unknown; label: string }) {
  const lines = jsonDiff(before, after);
  if (lines === null) return <p class="hint">They differ too much to be compared here.</p>;
  if (lines.length === 0) return <p class="hint">Nothing is different.</p>;
  return (
    // A region that scrolls must be reachable by keys.
    <div class="json diff" role="group" aria-label={label} tabIndex={0}>
      {lines.slice(0, MOST).map(({ kind, text }, i) => {
        if (kind === "fold") {
          return (
            <div key={i} class="soft">
              … {many(Number(text), "line")} the same
            </div>
          );
        }
        const Line = kind === "new" ? "ins" : kind === "gone" ? "del" : "div";
        return (
          <Line key={i} class="line">
            {`${MARKS[kind]} ${shortened(text, MOST_TEXT)}`}
          </Line>
        );
      })}
      {lines.length > MOST && <div class="soft">and {many(lines.length - MOST, "more line")}</div>}
    </div>
  );
}
