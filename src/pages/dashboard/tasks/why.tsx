/** Why a task is where it is, in one phrase: what it waits for, how far it is, what went wrong. */

import type { Explanation, Reason } from "../../../contract/explanation.ts";
import type { TaskResource } from "../../../contract/task.ts";
import { hrefTo } from "../address.ts";
import { now } from "../reach.ts";
import { isEnded } from "../states.ts";
import { ageWords, durationWords, many, ordinal, shortened } from "../words.ts";
import { useExplanation } from "./explained.ts";
import { tasksHref } from "./filter.ts";

/** A task that has been queued for less than this is shown as on its way. */
const PATIENCE_MS = 1_500;

export function Why({ task }: { task: TaskResource }) {
  const isStuck = task.state === "queued" && now.value - Date.parse(task.runAt) > PATIENCE_MS;
  const explanation = useExplanation(task.id, isStuck);
  if (task.pausedAt !== undefined && !isEnded(task.state))
    return <>paused by hand, {ageWords(now.value - Date.parse(task.pausedAt))} ago</>;
  switch (task.state) {
    case "running":
      return <Running task={task} />;
    case "failed":
    case "cancelled":
    case "expired":
      return <Ended task={task} />;
    case "succeeded":
      return <></>;
    case "scheduled":
      return <>starts in {remaining(task.runAt)}</>;
    case "retrying":
      return (
        <>
          attempt {task.attempt + 1} in {remaining(task.runAt)}
        </>
      );
    case "waiting":
      return <>{waitingWords(task.waitingFor)}</>;
    case "queued":
      return <>{explanation === undefined ? "on its way" : <Because explanation={explanation} />}</>;
  }
}

function Running({ task }: { task: TaskResource }) {
  const { progress, startedAt, cancelRequestedAt } = task;
  if (cancelRequestedAt !== null) return <>is being cancelled</>;
  const percent = progress?.percent ?? null;
  if (percent !== null) {
    return (
      <span class="progress">
        <progress max={100} value={percent} aria-label="Progress" /> {Math.round(percent)} %
      </span>
    );
  }
  if (progress?.message) return <bdi>{shortened(progress.message, 80)}</bdi>;
  return <>{startedAt === null ? "" : `for ${ageWords(now.value - Date.parse(startedAt))}`}</>;
}

function Ended({ task }: { task: TaskResource }) {
  const { error } = task;
  if (error === null) return <></>;
  return (
    <>
      <a href={tasksHref({ state: task.state, error: error.type })}>{shortened(error.type, 60)}</a>{" "}
      <bdi class="soft">{shortened(error.message, 120)}</bdi>
    </>
  );
}

/** The first reasons of an explanation, with links to what holds the task back. */
function Because({ explanation }: { explanation: Explanation }) {
  const [first, second] = explanation.reasons;
  return (
    <>
      {first && <Phrase reason={first} />}
      {second && (
        <>
          ; <Phrase reason={second} />
        </>
      )}
    </>
  );
}

function Phrase({ reason }: { reason: Reason }) {
  const said = (name: string) => {
    const value = reason[name];
    return typeof value === "string" || typeof value === "number" ? String(value) : "";
  };
  const place = typeof reason["position"] === "number" ? `${ordinal(reason["position"])} in line` : "";
  if (reason.code === "lane_paused") {
    return (
      <>
        the lane <a href={hrefTo("limits")}>{said("lane")}</a> is paused
      </>
    );
  }
  if (reason.code === "concurrency") {
    return (
      <>
        {place}: <a href={hrefTo("limits", null, { key: said("key") })}>{shortened(said("key"), 60)}</a>{" "}
        {reason["limit"] === 1 ? "has its only slot taken" : `has all ${said("limit")} slots taken`}
      </>
    );
  }
  return <>{PHRASES[reason.code]?.(place) ?? place}</>;
}

const PHRASES: Partial<Record<Reason["code"], (place: string) => string>> = {
  rate_limit: (place) => `${place}: rate limit`,
  circuit_open: () => "its circuit is open",
  batching: () => "gathers a batch",
};

/** What a task waits for, from its own field. */
export function waitingWords(waitingFor: unknown): string {
  const wait = (waitingFor ?? {}) as { type?: string; until?: unknown; signals?: string[]; tasks?: string[][] };
  const signals = wait.signals ?? [];
  const count = (wait.tasks ?? []).reduce((sum, ids) => sum + ids.length, 0);
  const parts = [
    ...(signals.length > 0 ? [`the signal ${shortened(signals.join(", "), 80)}`] : []),
    ...(count > 0 ? [many(count, "task")] : []),
  ];
  if (parts.length > 0) return `for ${parts.join(" or ")}`;
  if (wait.type === "sleep" || wait.until !== undefined) return "sleeps";
  return "for the tasks that it needs";
}

function remaining(at: string): string {
  return durationWords(Math.max(0, Math.floor((Date.parse(at) - now.value) / 1_000) * 1_000));
}
