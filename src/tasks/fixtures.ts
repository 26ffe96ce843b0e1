/** The tasks that tests and benchmarks drive. They exist only where the configuration has `FIXTURES = "1"`. */

import { batch } from "./fixtures/batches.ts";
import { nap, signal, spawn, steps, undo } from "./fixtures/durable.ts";
import { fail, failTimes } from "./fixtures/failures.ts";
import { cached, circuit, dropped, keyed, rated } from "./fixtures/limits.ts";
import { log, output, progress } from "./fixtures/reports.ts";
import { secret, vault } from "./fixtures/secrets.ts";
import { approval, callback, signals } from "./fixtures/signals.ts";
import { add, badOutput, big, context, identity, noop, sum } from "./fixtures/values.ts";
import { hook, sleep, spin, stubborn } from "./fixtures/waits.ts";

/** Every fixture task. */
export const fixtures = [
  noop,
  identity,
  add,
  sum,
  fail,
  failTimes,
  sleep,
  stubborn,
  spin,
  hook,
  progress,
  output,
  log,
  big,
  badOutput,
  context,
  steps,
  undo,
  nap,
  signal,
  signals,
  approval,
  callback,
  spawn,
  rated,
  dropped,
  circuit,
  cached,
  batch,
  keyed,
  secret,
  vault,
] as const;
