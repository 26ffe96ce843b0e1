/** One flow: how it stands, its graph, and its nodes as a list. */

import { useEffect, useMemo, useState } from "preact/hooks";
import type { FlowMember } from "../../../client/index.ts";
import type { FlowResource } from "../../../contract/flow.ts";
import { change, here } from "../address.ts";
import { AsCode } from "../parts/as-code.tsx";
import { Badge } from "../parts/badge.tsx";
import { JsonView } from "../parts/json-view.tsx";
import { Loaded } from "../parts/loading.tsx";
import { Age } from "../parts/time.tsx";
import { useFeed } from "../feed.ts";
import { usePolled, type Polled } from "../polled.ts";
import { client } from "../session.ts";
import { isEnded, type State } from "../states.ts";
import { literal } from "../call.ts";
import { tasksHref } from "../tasks/filter.ts";
import { countWords, many } from "../words.ts";
import { FlowActs } from "./flow-acts.tsx";
import { Graph } from "./graph.tsx";
import { isDrawable } from "./layout.ts";
import { NodeList } from "./node-list.tsx";

/** The most nodes that are read. A flow has no more, but a page of it holds fewer where they are large. */
const READ = 10_000;
const PAGE = 1_000;
const EVERY_MS = 2_500;
const ENDED_MS = 30_000;

/** The whole flow is read again after this time for each of its nodes; in between, the feed reports the states of its tasks. */
const PER_NODE_MS = 5;

/** A flow of at most so many nodes is read again with each change, so that its waits and its errors are new as well. */
const SMALL = 300;

interface Read {
  flow: FlowResource;
  nodes: FlowMember[];
  isWhole: boolean;
}

export function FlowView({ id }: { id: string }) {
  const [everyMs, setEvery] = useState(EVERY_MS);
  const read = usePolled(`flow ${id}`, (signal) => readFlow(id, signal), everyMs);
  const told = useToldStates(read);
  useEffect(() => {
    if (read.data === undefined) return;
    const { flow, nodes } = read.data;
    setEvery(Math.max(flow.state === "running" ? EVERY_MS : ENDED_MS, nodes.length * PER_NODE_MS));
  }, [read.data]);
  return (
    <>
      <p class="path">
        <a href="#/flows">Flows</a> / <code>{id}</code>
      </p>
      <Loaded from={read}>{(data) => <Shown {...withStates(data, told)} />}</Loaded>
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
  while (cursor !== null && nodes.length < READ) {
    const page = await pages.page(cursor);
    nodes.push(...page.items);
    cursor = page.nextCursor;
  }
  return { flow, nodes, isWhole: cursor === null };
}

/** The states that the feed has reported since the last reading, by the tasks' ids. A flow that has ended is read again at once. */
function useToldStates({ data, refresh }: Polled<Read>): ReadonlyMap<string, State> {
  const [told, setTold] = useState<{ since: Read | undefined; states: ReadonlyMap<string, State> }>(NOTHING);
  const members = useMemo(() => new Set(data?.nodes.map(({ task }) => task.id)), [data]);
  useFeed(({ changed, missed }) => {
    if (missed) refresh();
    const own = changed.filter(({ id }) => members.has(id));
    if (data === undefined || own.length === 0) return;
    const before = told.since === data ? told.states : NOTHING.states;
    const states = new Map([...before, ...own.map(({ id, state }) => [id, state] as const)]);
    setTold({ since: data, states });
    const isOver = data.nodes.every(({ task }) => isEnded(states.get(task.id) ?? task.state));
    if (isOver || data.nodes.length <= SMALL) refresh();
  });
  return told.since === data ? told.states : NOTHING.states;
}

const NOTHING = { since: undefined, states: new Map<string, State>() };

function withStates({ flow, nodes: read, isWhole }: Read, told: ReadonlyMap<string, State>): Read {
  if (told.size === 0) return { flow, nodes: read, isWhole };
  const nodes = read.map((node) => {
    const state = told.get(node.task.id);
    return state === undefined ? node : { ...node, task: { ...node.task, state } };
  });
  if (!isWhole) return { flow, nodes, isWhole };
  const counts: FlowResource["counts"] = {};
  for (const { task } of nodes) counts[task.state] = (counts[task.state] ?? 0) + 1;
  return { flow: { ...flow, counts }, nodes, isWhole };
}

function Shown({ flow, nodes, isWhole }: Read) {
  const isDrawn = useMemo(() => isWhole && isDrawable(nodes), [nodes, isWhole]);
  const form = isDrawn ? (here.value.query.get("as") ?? "graph") : "list";
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
        {isDrawn ? (
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
          <p class="hint">
            {isWhole ? "" : `The first ${many(nodes.length, "node")}; `}a flow of this size is shown as a list.
          </p>
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
