/** A list without tasks: which term excludes the most, or how to submit the first one. */

import { useEffect, useState } from "preact/hooks";
import { curlOf } from "../call.ts";
import { Copyable } from "../parts/as-code.tsx";
import { client, may, session } from "../session.ts";
import { many } from "../words.ts";
import { filterOf, textOf, wordsOf, type Term } from "./filter.ts";

/** The most tasks that are counted. */
const COUNTED = 100;
/** The most terms that are tried. */
const TRIED = 6;

export function NothingFound({ terms }: { terms: readonly Term[] }) {
  return terms.length === 0 ? <FirstTask /> : <Excluded terms={terms} />;
}

function FirstTask() {
  const [hasKey, setHasKey] = useState(false);
  const body = { task: "process_item", input: { name: "herb garden", steps: 5 } };
  // The key is on the page only while the user asks for it.
  const key = hasKey ? session.value?.key : undefined;
  return (
    <section class="empty">
      <h2>No task yet</h2>
      <p>Tasks that are submitted appear here by themselves. This submits one:</p>
      <Copyable text={curlOf({ method: "POST", path: "/v1/tasks", body }, key)} label="curl" />
      {may("submit") && (
        <p>
          <button type="button" class="quiet" aria-pressed={hasKey} onClick={() => setHasKey(!hasKey)}>
            With my key
          </button>{" "}
          {hasKey && <span class="hint">Whoever reads this line can use your key.</span>}
        </p>
      )}
      {may("submit") && (
        <p>
          Or fill in <a href="#/submit/process_item">the form</a>.
        </p>
      )}
    </section>
  );
}

function Excluded({ terms }: { terms: readonly Term[] }) {
  const text = textOf(terms);
  const [found, setFound] = useState<{ without: Term; rest: Term[]; count: number }[] | null>(null);

  useEffect(() => {
    const stop = new AbortController();
    const tries = terms.slice(0, TRIED).map(async (without) => {
      const rest = terms.filter((term) => term !== without);
      const { filter } = filterOf(rest, Date.now());
      const { items } = await client().list(filter, { limit: COUNTED, signal: stop.signal }).page();
      return { without, rest, count: items.length };
    });
    Promise.all(tries).then(
      (all) => setFound(all.filter(({ count }) => count > 0).toSorted((a, b) => b.count - a.count)),
      () => undefined,
    );
    return () => stop.abort();
  }, [text]);

  return (
    <section class="empty">
      <h2>No task fits this filter</h2>
      {wordsOf(terms) !== "" && (
        <p>
          Words find only tasks whose definition is <code>searchable</code>: in their input, tags and error message. The
          beginning of an id finds any task.
        </p>
      )}
      {found === null && <p>Looking which term excludes the most…</p>}
      {found?.length === 0 && <p>Removing any single term finds nothing either.</p>}
      <ul>
        {found?.map(({ without, rest, count }) => (
          <li key={textOf([without])}>
            Without <code>{textOf([without])}</code>:{" "}
            <a href={`#/tasks?${new URLSearchParams({ f: textOf(rest) }).toString()}`}>
              {count === COUNTED ? `${COUNTED} tasks or more` : many(count, "task")}
            </a>
          </li>
        ))}
      </ul>
      <p>
        <a href="#/tasks">All tasks</a>
      </p>
    </section>
  );
}
