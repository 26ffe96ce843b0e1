/** One follower for each task, however many components of a page show it. */

import { useCallback, useMemo, useSyncExternalStore } from "react";
import { ConnectionError, createClient, type Client, type TaskEvent, type Tasks } from "../client/index.ts";
import type { TaskResource } from "../contract/task.ts";

/** A task as your own server answers it: with its signed links, which need no key. */
export interface SignedTask {
  id: string;
  links: TaskResource["links"];
}

/** The type of the task that a hook returns: that of the given task where it was a whole task. */
export type TaskIn<Given extends SignedTask> = Given extends { state: string } ? Given : TaskResource;

export interface FollowOptions {
  /** The client of the service; unless given, one for the service that the page comes from. Make it once, outside of the component. */
  client?: Pick<Client<Tasks>, "get" | "events" | "cancel"> | undefined;
}

type Following = NonNullable<FollowOptions["client"]>;

/** What is known of a task. Another object whenever that changes. */
export interface Shown {
  task: TaskResource | undefined;
  output: readonly { attempt: number; chunk: unknown }[];
  error?: Error | undefined;
}

interface Follower {
  shown: Shown;
  listeners: Set<() => void>;
  stop: AbortController;
}

/** A page is drawn at most this often. */
const DRAW_MS = 16;

/** The pause before the next try; the client itself has tried for two minutes before. */
const AWAY_MS = 5_000;

const NOTHING: Shown = { task: undefined, output: [] };

const followers = new WeakMap<Following, Map<string, Follower>>();

let own: Following | undefined;

/** A client for the service that the page comes from, without a key. */
export function ownClient(): Following {
  const { location } = globalThis as unknown as { location: { origin: string } };
  return (own ??= createClient({ baseUrl: location.origin }));
}

/** Follows the task while the component is shown; with other links it begins anew. */
export function useFollowed(given: SignedTask | null | undefined, { client }: FollowOptions): Shown {
  const key = given?.links.self;
  const before = useMemo(
    () => (given && "state" in given ? { ...NOTHING, task: given as TaskResource } : NOTHING),
    [key],
  );
  const listen = useCallback(
    (listener: () => void) => (given ? follow(client ?? ownClient(), given, before, listener) : () => {}),
    [client, key],
  );
  // A server that draws the page has no client of its own.
  const read = () => followers.get((client ?? own)!)?.get(key!)?.shown ?? before;
  return useSyncExternalStore(listen, read, () => before);
}

function follow(client: Following, given: SignedTask, before: Shown, listener: () => void): () => void {
  const mine = followers.get(client) ?? new Map<string, Follower>();
  followers.set(client, mine);
  const key = given.links.self;
  let follower = mine.get(key);
  if (follower === undefined) {
    follower = { shown: before, listeners: new Set(), stop: new AbortController() };
    mine.set(key, follower);
    void hear(client, given, follower);
  }
  const { listeners, stop } = follower;
  listeners.add(listener);
  return () => {
    listeners.delete(listener);
    if (listeners.size > 0) return;
    stop.abort();
    mine.delete(key);
  };
}

/** Follows the task to its end. Tries again while the service cannot be reached; a refusal is an error. */
async function hear(client: Following, given: SignedTask, follower: Follower): Promise<void> {
  const { signal } = follower.stop;
  const ref = refOf(given);
  const output: { attempt: number; chunk: unknown }[] = [];
  let { task } = follower.shown;
  let timer: ReturnType<typeof setTimeout> | null = null;
  let [seen, attempt] = [0, 1];
  const draw = (error?: Error) => {
    if (timer !== null) clearTimeout(timer);
    timer = null;
    follower.shown = { task, error, output: output.slice() };
    for (const listener of follower.listeners) listener();
  };
  // The answer to a link has links without tokens.
  const signed = (read: unknown) => ({ ...(read as TaskResource), links: given.links });
  while (!signal.aborted) {
    try {
      task ??= signed(await client.get(ref, { signal }));
      for await (const event of client.events(ref, { after: seen, signal })) {
        seen = event.seq;
        if (event.type === "state") attempt = event.data.attempt;
        if (event.type === "output") output.push({ attempt, chunk: event.data });
        task = event.type === "done" ? signed(event.data) : afterEvent(task, event);
        timer ??= setTimeout(draw, DRAW_MS);
      }
      draw();
      return;
    } catch (error) {
      if (signal.aborted) return;
      draw(error instanceof Error ? error : new Error(String(error)));
      if (!(error instanceof ConnectionError)) return;
      await new Promise((resolve) => setTimeout(resolve, AWAY_MS));
    }
  }
}

/** The task as the client takes it: the client uses its links, so the name does not matter. */
export function refOf({ id, links }: SignedTask): { id: string; task: string; links: TaskResource["links"] } {
  return { id, task: "", links };
}

/** The task after an event. Events from before the task was read change nothing. */
function afterEvent(task: TaskResource, { at, type, data }: TaskEvent): TaskResource {
  const known = type === "progress" ? task.progress?.at : (task.finishedAt ?? task.startedAt);
  if (at < (known ?? "")) return task;
  if (type === "progress") return { ...task, progress: data };
  return type === "state" ? { ...task, ...data } : task;
}
