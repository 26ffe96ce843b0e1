/** To the next page and back to the first, by the address. */

import { change, here } from "../address.ts";

export function Pager({ nextCursor }: { nextCursor: string | null }) {
  const isLater = here.value.query.has("cursor");
  if (!isLater && nextCursor === null) return null;
  return (
    <nav class="pager" aria-label="Pages">
      <button type="button" class="quiet" disabled={!isLater} onClick={() => change({ cursor: undefined })}>
        First page
      </button>
      <button
        type="button"
        class="quiet"
        disabled={nextCursor === null}
        onClick={() => change({ cursor: nextCursor ?? undefined })}
      >
        Next page
      </button>
    </nav>
  );
}
