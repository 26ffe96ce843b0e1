/** What can be done with a flow. */

import { signal } from "@preact/signals";
import type { FlowMember } from "../../../client/index.ts";
import type { FlowResource } from "../../../contract/flow.ts";
import { ask } from "../acts.ts";
import { go, hrefTo } from "../address.ts";
import { literal } from "../call.ts";
import { TextField } from "../parts/fields.tsx";
import { client, may } from "../session.ts";
import { useKeys } from "../shell/keyboard.ts";

export function FlowActs({ flow, nodes }: { flow: FlowResource; nodes: readonly FlowMember[] }) {
  const isRunning = flow.state === "running";
  const failed = nodes.find(({ task }) => task.state === "failed" && task.error?.type !== "dependency_failed")?.task.id;
  const toFailed = () => failed && go(hrefTo("tasks", failed));
  useKeys({
    e: toFailed,
    ...(may("cancel") && isRunning ? { c: () => askCancel(flow) } : {}),
    ...(may("cancel") && !isRunning ? { r: () => askRetry(flow) } : {}),
  });
  return (
    <div class="acts">
      {failed !== undefined && (
        <button type="button" class="quiet" onClick={toFailed}>
          To the first failure
        </button>
      )}
      {may("cancel") && isRunning && (
        <button type="button" class="quiet" onClick={() => askCancel(flow)}>
          Cancel…
        </button>
      )}
      {may("cancel") && (flow.state === "failed" || flow.state === "cancelled") && (
        <button type="button" class="quiet" onClick={() => askRetry(flow)}>
          Run what failed again…
        </button>
      )}
    </div>
  );
}

function askCancel({ id }: FlowResource): void {
  const reason = signal("");
  const body = () => (reason.value === "" ? {} : { reason: reason.value });
  ask({
    title: "Cancel the flow",
    verb: "Cancel the flow",
    isDanger: true,
    words: <p>All of its tasks that have not ended are cancelled.</p>,
    fields: () => <TextField label="Reason" value={reason} />,
    call: () => ({ method: "POST", path: `/v1/flows/${id}/cancel`, body: body() }),
    code: () => `await client.flows.cancel(${literal(id)}, ${literal(body())});`,
    run: async () => {
      await client().flows.cancel(id, body());
      return "The flow is being cancelled";
    },
  });
}

function askRetry({ id }: FlowResource): void {
  ask({
    title: "Run what failed again",
    verb: "Run again",
    words: <p>What failed runs again, and what depends on it. What has succeeded stays.</p>,
    call: () => ({ method: "POST", path: `/v1/flows/${id}/retry` }),
    code: () => `await client.flows.retry(${literal(id)});`,
    run: async () => {
      await client().flows.retry(id);
      return "What failed runs again";
    },
  });
}
