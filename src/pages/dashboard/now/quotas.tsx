/** What the tenant uses of its quotas. */

import type { Stats } from "../../../contract/stats.ts";
import { Age } from "../parts/time.tsx";
import { countWords, sizeWords } from "../words.ts";

export function Quotas({ stats }: { stats: Stats }) {
  return (
    <>
      <h2>Quotas</h2>
      <ul class="quotas">
        {Object.entries(stats.quotas).map(([name, { used, limit }]) => {
          const words = name === "bytes" ? sizeWords : countWords;
          return (
            <li key={name}>
              <span>{name}</span>
              <meter
                min={0}
                max={limit}
                high={limit * 0.8}
                value={Math.min(used, limit)}
                aria-label={`Used of ${name}`}
              />
              <small>
                {words(used)} of {words(limit)}
              </small>
            </li>
          );
        })}
      </ul>
      {stats.quotasCountedAt !== null && (
        <p class="hint">
          Counted <Age at={stats.quotasCountedAt} /> ago.
        </p>
      )}
    </>
  );
}
