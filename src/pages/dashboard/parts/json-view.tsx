/** A JSON value, folded where it is large. Text is shown as text, whatever it holds. */

import { copy } from "../acts.ts";
import { many, shortened } from "../words.ts";

/** Items of one object or list that are shown at once. */
const MOST = 200;
const MOST_TEXT = 2_000;

export function JsonView({ value, label }: { value: unknown; label: string }) {
  return (
    <div class="json" role="group" aria-label={label}>
      <button type="button" class="quiet copy" onClick={() => void copy(JSON.stringify(value, null, 2), label)}>
        Copy<span class="unseen"> {label}</span>
      </button>
      <Value value={value} depth={0} />
    </div>
  );
}

function Value({ value, depth, name }: { value: unknown; depth: number; name?: string }) {
  const head = name === undefined ? null : <span class="name">{name}: </span>;
  if (typeof value !== "object" || value === null) {
    return (
      <div class="line">
        {head}
        <Scalar value={value} />
      </div>
    );
  }
  const entries = Array.isArray(value)
    ? value.map((each, i) => [String(i), each] as const)
    : Object.entries(value).filter(([, each]) => each !== undefined);
  const words = Array.isArray(value) ? `[${many(entries.length, "item")}]` : `{${many(entries.length, "member")}}`;
  if (entries.length === 0) {
    return (
      <div class="line">
        {head}
        <span class="soft">{Array.isArray(value) ? "[]" : "{}"}</span>
      </div>
    );
  }
  return (
    <details open={depth < 2 && entries.length <= 30}>
      <summary>
        {head}
        <span class="soft">{words}</span>
      </summary>
      <div class="inner">
        {entries.slice(0, MOST).map(([key, each]) => (
          <Value key={key} name={shortened(key, 200)} value={each} depth={depth + 1} />
        ))}
        {entries.length > MOST && (
          <p class="soft">and {many(entries.length - MOST, "more", "more")}; copy it to see all</p>
        )}
      </div>
    </details>
  );
}

function Scalar({ value }: { value: unknown }) {
  if (typeof value === "string") {
    return <bdi class="string">{JSON.stringify(shortened(value, MOST_TEXT))}</bdi>;
  }
  return <span class={value === null ? "soft" : "number"}>{String(value)}</span>;
}
