import { taskOf } from "./loop-project.ts";
const working = (version: string) =>
  taskOf(
    "work",
    `timeout: "10m", run: async (_input, ctx) => {
  const begun = await ctx.step("begin", () => "${version}");
  ctx.log("runs with ${version}", { greeting: ctx.env.GREETING, secret: ctx.env.SECRET });
  await ctx.env.SHELF.put("seen", "${version}");
  if ("${version}" === "first") await new Promise(() => {});
  return { begun, ended: "${version}", shelf: await ctx.env.SHELF.get("seen") };
}`,
  );

const failing = taskOf(
  "fail",
  `maxAttempts: 2, retry: () => 0, run: () => {
  throw new TypeError("not like this");
}`,
);

/** Attempts up to that number do what the task is named after; the next one succeeds. */
const spinning = (upTo: number, timeout: string) =>
  taskOf(
    "spin",
    `timeout: "${timeout}", run: (_input, ctx) => { if (ctx.attempt <= ${upTo}) for (;;); return "stopped"; }`,
  );

const filling = taskOf(
  "fill",
  `run: async (_input, ctx) => {
  const kept = [];
  while (ctx.attempt === 1) {
    kept.push(new Uint8Array(50_000_000).fill(1));
    await new Promise((done) => setTimeout(done, 5));
  }
  return "stopped";
}`,
);

const TASKS = { work: "work.ts", fail: "fail.ts", spin: "spin.ts", fill: "fill.ts" };

export { working, failing, spinning, filling, TASKS };
