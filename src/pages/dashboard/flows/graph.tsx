/** A flow as a picture: its plan and how far it has come. The list beside it says the same. */

import type { FlowMember } from "../../../client/index.ts";
import { hrefTo } from "../address.ts";
import { many, shortened } from "../words.ts";
import { layoutOf, type Box } from "./layout.ts";
import { tasksHref } from "../tasks/filter.ts";

const WIDTH = 190;
const HEIGHT = 44;
const GAP_X = 56;
const GAP_Y = 14;
const EDGE = 8;

export function Graph({ flowId, nodes }: { flowId: string; nodes: readonly FlowMember[] }) {
  const { boxes, edges, layers, rows } = layoutOf(
    nodes.map(({ key, needs, task }) => ({ key, needs, state: task.state })),
  );
  const byKey = new Map(nodes.map((node) => [node.key, node]));
  const byId = new Map(boxes.map((box) => [box.id, box]));
  const width = layers * (WIDTH + GAP_X) - GAP_X + 2 * EDGE;
  const height = rows * (HEIGHT + GAP_Y) - GAP_Y + 2 * EDGE;
  return (
    <div class="graph" tabIndex={0} role="group" aria-label="Graph of the flow">
      <svg width={width} height={height} viewBox={`0 0 ${width} ${height}`}>
        {edges.map(({ from, to, through }) => (
          <Edge key={`${from} ${to}`} from={byId.get(from)!} to={byId.get(to)!} through={through} />
        ))}
        {boxes.map((box) => (
          <Node key={box.id} flowId={flowId} box={box} node={byKey.get(box.id)!} />
        ))}
      </svg>
    </div>
  );
}

const xOf = (box: Pick<Box, "layer">) => EDGE + box.layer * (WIDTH + GAP_X);
const yOf = (box: Pick<Box, "row">) => EDGE + box.row * (HEIGHT + GAP_Y);

function Edge({ from, to, through }: { from: Box; to: Box; through: readonly number[] }) {
  let path = `M${xOf(from) + WIDTH},${yOf(from) + HEIGHT / 2}`;
  let [x, y] = [xOf(from) + WIDTH, yOf(from) + HEIGHT / 2];
  const bendTo = (nextX: number, nextY: number) => {
    const middle = (x + nextX) / 2;
    path += ` C${middle},${y} ${middle},${nextY} ${nextX},${nextY}`;
    [x, y] = [nextX, nextY];
  };
  for (const [i, row] of through.entries()) {
    const layer = from.layer + i + 1;
    bendTo(xOf({ layer }), yOf({ row }) + HEIGHT / 2);
    path += ` H${(x = xOf({ layer }) + WIDTH)}`;
  }
  bendTo(xOf(to), yOf(to) + HEIGHT / 2);
  const isMet = Object.keys(from.counts).every((state) => state === "succeeded");
  const hasFailed = (from.counts.failed ?? 0) > 0 && (to.counts.failed ?? 0) > 0;
  return <path class="edge" data-state={hasFailed ? "failed" : isMet ? "met" : "open"} d={path} />;
}

function Node({ flowId, box, node }: { flowId: string; box: Box; node: FlowMember }) {
  const isStack = box.keys.length > 1;
  const state = worst(box);
  const href = isStack ? tasksHref({ flow: flowId, task: node.task.task }) : hrefTo("tasks", node.task.id);
  const counts = Object.entries(box.counts).map(([name, n]) => `${n} ${name}`);
  const title = isStack ? `${node.task.task} × ${box.keys.length}` : node.task.task;
  const below = isStack ? counts.join(", ") : `${node.key} · ${node.task.state}`;
  const words = isStack
    ? `${many(box.keys.length, "task")} ${node.task.task}: ${counts.join(", ")}`
    : `${node.key}: ${node.task.task}, ${node.task.state}`;
  return (
    <a href={href} class="node" data-state={state} data-key={box.id}>
      <g transform={`translate(${xOf(box)},${yOf(box)})`}>
        <title>{words}</title>
        {isStack && <rect class="behind" x={4} y={-4} width={WIDTH} height={HEIGHT} rx={8} />}
        <rect width={WIDTH} height={HEIGHT} rx={8} />
        <text x={12} y={18}>
          {shortened(title, 24)}
        </text>
        <text class="below" x={12} y={34}>
          {shortened(below, 30)}
        </text>
      </g>
    </a>
  );
}

/** The state that matters most in a group. */
function worst({ counts }: Box): string {
  const order = [
    "failed",
    "running",
    "retrying",
    "cancelled",
    "expired",
    "queued",
    "waiting",
    "scheduled",
    "succeeded",
  ] as const;
  return order.find((state) => (counts[state] ?? 0) > 0) ?? "waiting";
}
