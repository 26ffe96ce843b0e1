/** The service's sentence on why a task is where it is, with links to every task that it names. */

import type { Explanation } from "../../../contract/explanation.ts";
import { hrefTo } from "../address.ts";
import { At } from "../parts/time.tsx";

export function ExplainedSentence({ explanation }: { explanation: Explanation }) {
  const { summary, estimatedStartAt, estimatedEndAt } = explanation;
  return (
    <p class="why-sentence">
      <Linked text={summary} />
      {estimatedStartAt !== null && (
        <>
          {" "}
          It starts at about <At at={estimatedStartAt} />.
        </>
      )}
      {estimatedEndAt !== null && (
        <>
          {" "}
          It ends at about <At at={estimatedEndAt} />.
        </>
      )}
    </p>
  );
}

/** Text in which ids of tasks are links, and instants are the reader's own. */
function Linked({ text }: { text: string }) {
  const parts = text.split(/(task_[0-9a-z]{26}|\d{4}-\d\d-\d\dT[\d:.]+Z)/);
  return (
    <bdi>
      {parts.map((part, i) => {
        if (i % 2 === 0) return part;
        return part.startsWith("task_") ? (
          <a key={i} href={hrefTo("tasks", part)}>
            <code>{part.slice(-8)}</code>
          </a>
        ) : (
          <At key={i} at={part} />
        );
      })}
    </bdi>
  );
}
