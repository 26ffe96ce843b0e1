/** The command line of the strict platform. */

import type { ParseArgsOptionsConfig } from "node:util";
import type { Plan } from "./limits.ts";
import type { StrictOptions } from "./workers.ts";

export const STRICT_USAGE = `  production's limits, for tests:
  --strict                        several isolates, and every event is held to the platform's limits; POST and GET below /__strict/ control and report
  --plan paid|free                whose limits (paid)
  --strict-scale X                multiplies the platform's durations, such as the 30 s after a handler's return (1)
  --d1-delay NETWORK,READ,WRITE   ms of a call to D1 and of each statement in it (10,1,5)
  --d1-max-bytes N                D1 refuses writes once it is larger (10 GB; 500 MB on the free plan)
  --d1-max-queued N               D1 refuses calls while this many are waiting (1000)`;

export const STRICT_OPTIONS = {
  strict: { type: "boolean", default: false },
  plan: { type: "string", default: "paid" },
  "strict-scale": { type: "string", default: "1" },
  "d1-delay": { type: "string", default: "10,1,5" },
  "d1-max-bytes": { type: "string" },
  "d1-max-queued": { type: "string", default: "1000" },
} as const satisfies ParseArgsOptionsConfig;

const MAX_BYTES: Record<Plan, number> = { paid: 10_000_000_000, free: 500_000_000 };

/** A call that waits longer for D1 fails. */
const D1_PATIENCE_MS = 30_000;

type Values = {
  strict: boolean;
  plan: string;
  "strict-scale": string;
  "d1-delay": string;
  "d1-max-bytes"?: string;
  "d1-max-queued": string;
};

/** Null without `--strict`. Throws for invalid values. */
export function readStrictOptions(values: Values): StrictOptions | null {
  if (!values.strict) return null;
  const { plan } = values;
  if (plan !== "paid" && plan !== "free") throw new Error(`--plan is paid or free, not ${plan}`);
  const scale = numberOf("strict-scale", values["strict-scale"]);
  if (scale === 0) throw new Error("--strict-scale is more than 0");
  const delays = values["d1-delay"].split(",").map((part) => numberOf("d1-delay", part));
  const [networkMs, readMs, writeMs] = delays;
  if (networkMs === undefined || readMs === undefined || writeMs === undefined || delays.length > 3) {
    throw new Error("--d1-delay is three numbers of ms: network,read,write");
  }
  return {
    plan,
    scale,
    database: {
      networkMs,
      readMs,
      writeMs,
      maxBytes: values["d1-max-bytes"] ? numberOf("d1-max-bytes", values["d1-max-bytes"]) : MAX_BYTES[plan],
      maxQueued: numberOf("d1-max-queued", values["d1-max-queued"]),
      patienceMs: D1_PATIENCE_MS,
    },
  };
}

function numberOf(option: string, text: string): number {
  const number = text.trim() === "" ? Number.NaN : Number(text);
  if (!Number.isFinite(number) || number < 0) throw new Error(`--${option}: ${text} is no number`);
  return number;
}
