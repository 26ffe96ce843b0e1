/** The service's sentence on why a task is where it is, with links to every task that it names. */

import type { Explanation } from "../../../contract/explanation.ts";
import { ExplainedText } from "../parts/explained-text.tsx";
import { At } from "../parts/time.tsx";

export function ExplainedSentence({ explanation }: { explanation: Explanation }) {
  const { summary, estimatedStartAt, estimatedEndAt } = explanation;
  return (
    <p class="why-sentence">
      <ExplainedText text={summary} />
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
