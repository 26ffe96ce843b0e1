/**
 * How long heavy bodies take: `node bench/bodies.ts [words of their names]`. Starts the service, sends each body while a
 * second client asks for `/health`, and prints the milliseconds of both, the slowest first. Those over 2 s, or with a
 * `/health` over 500 ms, are marked. The first line shows what a busy machine does to tiny requests, in the same run.
 */
import { madeBodies, plainBodies, SIMPLE, type Heavy } from "../test/http/heavy-bodies.ts";
import { prepareGround, sendHeavy, type Sent } from "../test/http/send-heavy.ts";
import { startServer } from "../test/http/server.ts";

/** The smallest body that can be posted. */
const NOOP: Heavy = { ...SIMPLE, name: "the worst of 50 small posts", body: () => '{"task":"test.noop"}' };

const wanted = process.argv.slice(2).join(" ");
const server = await startServer();
try {
  const ground = await prepareGround(server);
  const bodies = [SIMPLE, ...madeBodies(ground), ...plainBodies(ground)].filter(({ name }) => name.includes(wanted));
  const sent: Sent[] = [];
  for (const body of bodies) {
    sent.push(await sendHeavy(server, body));
    console.error(lineOf(sent.at(-1)!));
  }
  const small: Sent[] = [];
  for (let i = 0; i < 50; i++) small.push(await sendHeavy(server, NOOP));
  console.log("      ms health    answer");
  const slowest = small.toSorted((a, b) => a.healthMs - b.healthMs).at(-1);
  if (slowest) console.log(lineOf(slowest));
  for (const each of sent.toSorted((a, b) => b.ms - a.ms)) console.log(lineOf(each));
  if (server.stderr() !== "") console.log(server.stderr().slice(0, 3_000));
} finally {
  await server.stop();
}

function lineOf({ name, status, length, ms, healthMs }: Sent): string {
  const mark = ms > 2_000 || healthMs > 500 ? "!" : " ";
  const columns = [ms.toFixed(0).padStart(6), healthMs.toFixed(0).padStart(6), String(length).padStart(9)];
  return `${mark} ${columns.join(" ")}  ${status}  ${name}`;
}
