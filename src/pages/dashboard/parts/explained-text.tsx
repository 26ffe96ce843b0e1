/** The service's sentences, with links to the tasks that they name, and times in the reader's own zone. */

import { hrefTo } from "../address.ts";
import { At } from "./time.tsx";

/** Text in which ids of tasks are links, and instants are the reader's own. */
export function ExplainedText({ text }: { text: string }) {
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
