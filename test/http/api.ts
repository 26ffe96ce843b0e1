/** How the tests talk to the service: plain HTTP with the key, JSON both ways. */
import type { FlowResource } from "../../src/contract/flow.ts";
import type { ProblemResource } from "../../src/contract/problem.ts";
import type { OptionsInput } from "../../src/contract/submission.ts";
import type { TaskList, TaskResource } from "../../src/contract/task.ts";

/** What the contract calls live: everything that has not ended. */
export const LIVE = ["scheduled", "queued", "waiting", "running", "retrying"];

/** A look at something that is still going on, every so often. */
const LOOK_EVERY_MS = 100;

/** How long a test waits for anything. It matters only where the test fails: a bound on time would test the machine. */
const PATIENCE_MS = 180_000;

export type Submission = { task: string; input?: unknown; options?: OptionsInput };

export type BatchItem = { status: number; task?: TaskResource; problem?: ProblemResource };

export type Call = {
  /** Text, bytes and streams go as they are, everything else as JSON. */
  body?: unknown;
  /** A header that is null is not sent. */
  headers?: Record<string, string | null>;
};

/** An answer whose body is known by the status that the caller checks. */
export type Answer<Body> = { status: number; headers: Headers; body: Body };

export type Api = ReturnType<typeof apiOf>;

export function apiOf({ url, key }: { url: string; key: string }) {
  async function call<Body = unknown>(
    method: string,
    path: string,
    { body, headers = {} }: Call = {},
  ): Promise<Answer<Body>> {
    const all = {
      authorization: `Bearer ${key}`,
      ...(body === undefined ? {} : { "content-type": "application/json" }),
      ...headers,
    };
    const given = Object.entries(all).filter((entry): entry is [string, string] => entry[1] !== null);
    const response = await fetch(url + path, {
      method,
      headers: given,
      ...(body === undefined ? {} : { body: raw(body) ?? JSON.stringify(body), duplex: "half" }),
    });
    const text = await response.text();
    const isJson = /json/.test(response.headers.get("content-type") ?? "");
    return {
      status: response.status,
      headers: response.headers,
      body: (isJson && text !== "" ? JSON.parse(text) : text) as Body,
    };
  }

  const get = <Body>(path: string, headers: Call["headers"] = {}) => call<Body>("GET", path, { headers });
  const post = <Body>(path: string, body?: unknown, headers: Call["headers"] = {}) =>
    call<Body>("POST", path, { body, headers });

  /** Submits and answers the task as it was accepted; throws where it was not. */
  async function submit(task: string, input?: unknown, options?: OptionsInput): Promise<TaskResource> {
    const { status, body } = await post<TaskResource>("/v1/tasks", { task, input, options });
    if (status !== 202) throw new Error(`${task} was not accepted: ${status} ${JSON.stringify(body)}`);
    return body;
  }

  /** Submits any number in batches and answers the tasks in order; throws where one was not accepted. */
  async function submitAll(submissions: Submission[]): Promise<TaskResource[]> {
    const tasks: TaskResource[] = [];
    for (let i = 0; i < submissions.length; i += 1_000) {
      const { status, body } = await post<{ items: BatchItem[] }>("/v1/tasks/batch", {
        tasks: submissions.slice(i, i + 1_000),
      });
      if (status !== 207) throw new Error(`the batch was not accepted: ${status} ${JSON.stringify(body)}`);
      for (const item of body.items) {
        if (!item.task) throw new Error(`an item was not accepted: ${JSON.stringify(item)}`);
        tasks.push(item.task);
      }
    }
    return tasks;
  }

  async function read(id: string): Promise<TaskResource> {
    const { status, body } = await get<TaskResource>(`/v1/tasks/${id}`);
    if (status !== 200) throw new Error(`${id} could not be read: ${status} ${JSON.stringify(body)}`);
    return body;
  }

  /** The resource at this path once it has ended. */
  async function waitAt<Resource extends { state: string }>(path: string): Promise<Resource> {
    let state = "never read";
    return poll(
      () => `${path} is ${state}`,
      async () => {
        const { status, body } = await get<Resource>(path, { prefer: "wait=30" });
        if (status !== 200) throw new Error(`${path} could not be read: ${status} ${JSON.stringify(body)}`);
        state = body.state;
        return LIVE.includes(state) ? null : body;
      },
    );
  }

  /** The task as it ended. */
  const waitForEnd = (id: string) => waitAt<TaskResource>(`/v1/tasks/${id}`);

  /** The flow as it ended. */
  const waitForFlow = (id: string) => waitAt<FlowResource>(`/v1/flows/${id}`);

  /** Reads the task again and again until the caller has seen enough. */
  async function waitUntil(id: string, isEnough: (task: TaskResource) => boolean): Promise<TaskResource> {
    let state = "never read";
    return poll(
      () => `${id} is ${state}`,
      async () => {
        const task = await read(id);
        state = task.state;
        return isEnough(task) ? task : null;
      },
    );
  }

  /** Every task that the query finds, newest first, over all of its pages. */
  async function listAll(query = ""): Promise<TaskResource[]> {
    const all: TaskResource[] = [];
    let cursor: string | null = null;
    do {
      const { status, body }: Answer<TaskList> = await get(
        `/v1/tasks?limit=200&${query}${cursor === null ? "" : `&cursor=${cursor}`}`,
      );
      if (status !== 200) throw new Error(`the list answered ${status} ${JSON.stringify(body)}`);
      all.push(...body.items);
      cursor = body.nextCursor;
    } while (cursor !== null);
    return all;
  }

  /** Waits until the query finds no task that is in one of these states. */
  async function waitUntilNoneIs(states: readonly string[], query = ""): Promise<void> {
    const filter = states.map((state) => `state=${state}`).join("&");
    await poll(
      () => `some task is still ${states.join(" or ")}`,
      async () => {
        const { status, body } = await get<TaskList>(`/v1/tasks?limit=1&${filter}&${query}`);
        return status === 200 && body.items.length === 0 ? true : null;
      },
    );
  }

  return { call, get, post, submit, submitAll, read, waitForEnd, waitForFlow, waitUntil, listAll, waitUntilNoneIs };
}

/** Looks until there is something to answer; throws the complaint where there is nothing for too long. */
export async function poll<T>(complaint: () => string, look: () => Promise<T | null> | T | null): Promise<T> {
  const end = Date.now() + PATIENCE_MS;
  for (;;) {
    const found = await look();
    if (found !== null) return found;
    if (Date.now() > end) throw new Error(`${complaint()} after ${PATIENCE_MS / 1_000} s`);
    await new Promise((done) => setTimeout(done, LOOK_EVERY_MS));
  }
}

function raw(body: unknown): string | Uint8Array<ArrayBuffer> | ReadableStream | null {
  if (typeof body === "string" || body instanceof ReadableStream) return body;
  return body instanceof Uint8Array ? new Uint8Array(body) : null;
}
