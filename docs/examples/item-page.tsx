/** @jsxImportSource react */
/** A page that starts a task and shows what becomes of it, without a key in the browser. */

import type { SignedTask } from "lovage/react";
import { useOutput, useSubmit, useTask } from "lovage/react";

/** Asks this site's own server, which has the key and answers the task with signed links. */
async function startItem(name: string): Promise<SignedTask> {
  const response = await fetch("/items", { method: "POST", body: JSON.stringify({ name }) });
  if (!response.ok) throw new Error(`The server answered ${response.status}`);
  return (await response.json()) as SignedTask;
}

export function ItemPage() {
  const { submit, task, error, isSubmitting } = useSubmit(startItem);
  return (
    <main>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          const name = new FormData(event.currentTarget).get("name");
          if (typeof name === "string") void submit(name);
        }}
      >
        <input name="name" aria-label="Name" required />
        <button disabled={isSubmitting}>Process</button>
      </form>
      {error && <p role="alert">{error.message}</p>}
      {task && <Item given={task} />}
    </main>
  );
}

function Item({ given }: { given: SignedTask }) {
  const { task, isEnded, error, cancel } = useTask(given);
  return (
    <section>
      <p role="status">{task?.state ?? "on its way"}</p>
      {error && <p role="alert">{error.message}</p>}
      {!isEnded && <progress max={100} value={task?.progress?.percent ?? undefined} aria-label="Progress" />}
      {!isEnded && <button onClick={() => void cancel("not wanted any more")}>Cancel</button>}
      <Lines given={given} />
      {task?.state === "succeeded" && <output>{JSON.stringify(task.result)}</output>}
    </section>
  );
}

/** What the task emits with `ctx.output`, as it comes; over the same connection. */
function Lines({ given }: { given: SignedTask }) {
  const { output } = useOutput(given, { lastAttempt: true });
  return (
    <ol>
      {output.map((line, i) => (
        <li key={i}>{String(line)}</li>
      ))}
    </ol>
  );
}
