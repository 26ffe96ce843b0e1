/** One flow: how it stands, its graph, and its nodes as a list. */

import { useEffect, useState } from "preact/hooks";
import type { FlowMember } from "../../../client/index.ts";
import type { FlowResource } from "../../../contract/flow.ts";
import { change, here } from "../address.ts";
import { AsCode } from "../parts/as-code.tsx";
import { Badge } from "../parts/badge.tsx";
import { JsonView } from "../parts/json-view.tsx";
import { Loaded } from "../parts/loading.tsx";
import { Age } from "../parts/time.tsx";
import { usePolled } from "../polled.ts";
import { client } from "../session.ts";
import { literal } from "../call.ts";
import { tasksHref } from "../tasks/filter.ts";
import { countWords, many } from "../words.ts";
import { FlowActs } from "./flow-acts.tsx";
import { Graph } from "./graph.tsx";
import { NodeList } from "./node-list.tsx";

/** So many nodes are read for the picture; a larger flow is a list. */
const DRAWN = 1_000;
const PAGE = 200;
const EVERY_MS = 2_500;
const ENDED_MS = 30_000;

interface Read {
  flow: FlowResource;
  nodes: FlowMember[];
  isWhole: boolean;
}

export function FlowView({ id }: { id: string }) {
  const [isEnded, setEnded] = useState(false);
  const read = usePolled(`flow ${id}`, (signal) => readFlow(id, signal), isEnded ? ENDED_MS : EVERY_MS);
  useEffect(() => setEnded(read.data !== undefined && read.data.flow.state !== "running"), [read.data]);
  return (
    <>
      <p class="path">
        <a href="#/flows">Flows</a> / <code>{id}</code>
      </p>
      <Loaded from={read}>{(data) => <Shown {...data} />}</Loaded>
      <AsCode
        call={{ method: "GET", path: `/v1/flows/${id}` }}
        code={`const flow = await client.flows.get(${literal(id)});`}
      />
    </>
  );
}

async function readFlow(id: string, signal: AbortSignal): Promise<Read> {
  const flow = (await client().flows.get(id, { signal })) as FlowResource;
  const nodes = [...flow.nodes];
  const pages = client().flows.nodes(id, { limit: PAGE, signal });
  let cursor = flow.nextCursor;
  while (cursor !== null && nodes.length < DRAWN) {
    const page = await pages.page(cursor);
    nodes.push(...page.items);
    cursor = page.nextCursor;
  }
  return { flow, nodes, isWhole: cursor === null };
}

function Shown({ flow, nodes, isWhole }: Read) {
  const form = isWhole ? (here.value.query.get("as") ?? "graph") : "list";
  return (
    <article>
      <header class="head" data-state={flow.state}>
        <h1>
          Flow <Badge state={flow.state} />
        </h1>
        {flow.error !== null && (
          <p class="error">
            {flow.error.type}: <bdi>{flow.error.message}</bdi>
          </p>
        )}
        <p>
          {Object.entries(flow.counts).map(([state, n]) => (
            <a key={state} class="count" href={tasksHref({ flow: flow.id, state })}>
              {countWords(n)} {state}
            </a>
          ))}
          <span class="soft">
            submitted <Age at={flow.createdAt} /> ago
            {flow.deadline !== null && flow.finishedAt === null && (
              <>
                , must end <Age at={flow.deadline} />
              </>
            )}
          </span>
        </p>
        <FlowActs flow={flow} nodes={nodes} />
      </header>
      <div class="bar">
        <h2>Nodes</h2>
        {isWhole ? (
          <>
            <button
              type="button"
              class="quiet"
              aria-pressed={form === "graph"}
              onClick={() => change({ as: undefined }, true)}
            >
              Graph
            </button>
            <button
              type="button"
              class="quiet"
              aria-pressed={form === "list"}
              onClick={() => change({ as: "list" }, true)}
            >
              List
            </button>
          </>
        ) : (
          <p class="hint">The first {many(nodes.length, "node")}; a flow of this size is shown as a list.</p>
        )}
      </div>
      {form === "graph" ? <Graph flowId={flow.id} nodes={nodes} /> : <NodeList nodes={nodes} />}
      {flow.result !== null && (
        <>
          <h2>Result</h2>
          <JsonView value={flow.result} label="result" />
        </>
      )}
    </article>
  );
}
