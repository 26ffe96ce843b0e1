/**
 * Sends requests, and repeats those that it can: after a broken connection only what is safe to
 * repeat, after a 429 or 503 everything, because then nothing was done.
 */

import { pause, withDeadline } from "./deadline.ts";
import { ConnectionError, LovageProblem, problemIn } from "./problem-errors.ts";

/** What every method takes. */
export interface CallOptions {
  /** Aborting it ends the call: the method throws the signal's reason. */
  signal?: AbortSignal | undefined;
}

/** What `createClient` takes. */
export interface ClientOptions {
  /** Where the service is, such as `https://tasks.example.com`. */
  baseUrl: string | URL;
  /** Sent as `Authorization: Bearer …`. */
  apiKey?: string | undefined;
  /** Instead of the global `fetch`: in a Worker, a service binding's. */
  fetch?: ((url: string, init: RequestInit) => Promise<Response>) | undefined;
  /** Sent with every request. */
  headers?: Record<string, string> | undefined;
  /** How often a request is repeated at most, 5 unless given. Waiting and following have more patience. */
  retries?: number | undefined;
}

/** One request. */
export interface Call extends CallOptions {
  method: "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
  path: string;
  query?: Record<string, Queried> | undefined;
  body?: unknown;
  headers?: Record<string, string | undefined>;
  /** Safe to send twice: every method but POST, and a POST with an idempotency key. */
  repeatable?: boolean;
  /** Repeats for this long, however often. */
  patienceMs?: number;
  /** How much longer than usual the service may take to answer. */
  thinkingMs?: number;
}

type Queried = string | number | readonly string[] | undefined;

/** A connection to one service. */
export interface Connection {
  /** It sends no key; signed links say what it may do. */
  isKeyless: boolean;
  /** Answers the JSON body; undefined where there is none. */
  json<T>(call: Call): Promise<T>;
  /** Answers the body as it comes; cancelling the body ends the request. */
  stream(call: Call): Promise<ReadableStream<Uint8Array>>;
}

const RETRIES = 5;

/** The first pause between two tries is at most this long, the next twice as long, and so on. */
const BASE_MS = 250;
const CAP_MS = 8_000;

/** Where the service asks for a longer pause, the caller gets the error. */
const MAX_RETRY_AFTER_MS = 60_000;

/** A service that sends nothing for this long is treated as unreachable. */
const ANSWER_WITHIN_MS = 30_000;

/** Answers of a proxy that could not reach the service. */
const UNREACHED = [502, 504];

/** Answers that say that nothing was done. */
const NOT_NOW = [429, 503];

export function connect(options: ClientOptions): Connection {
  const base = String(new URL(options.baseUrl)).replace(/\/+$/, "");
  const send = options.fetch ?? ((url, init) => fetch(url, init));
  const retries = options.retries ?? RETRIES;

  async function repeat<T>(call: Call, once: (url: string, init: RequestInit) => Promise<T>): Promise<T> {
    const url = base + call.path + queryOf(call.query);
    const init = initOf(options, call);
    const giveUpAt = Date.now() + (call.patienceMs ?? 0);
    for (let tries = 1; ; tries++) {
      try {
        call.signal?.throwIfAborted();
        return await once(url, init);
      } catch (error) {
        call.signal?.throwIfAborted();
        // An earlier try of this request has removed it.
        if (tries > 1 && call.method === "DELETE" && isProblem(error, [404])) return undefined as T;
        const isLast = call.patienceMs === undefined ? tries > retries : Date.now() > giveUpAt;
        if (isLast || !mayRepeat(call, error)) throw error;
        const asked = error instanceof LovageProblem ? (error.retryAfterMs ?? 0) : 0;
        if (asked > MAX_RETRY_AFTER_MS) throw error;
        await pause(asked + backoff(tries), call.signal);
      }
    }
  }

  const answer = async <T>(call: Call, read: (response: Response) => Promise<T>) =>
    repeat(call, async (url, init) => {
      const late = () => new ConnectionError(`no answer from ${url}`);
      const ms = ANSWER_WITHIN_MS + (call.thinkingMs ?? 0);
      return withDeadline(ms, call.signal, late, async (signal) => {
        const response = await send(url, { ...init, signal }).catch((cause: unknown) => {
          throw new ConnectionError(`no connection to ${url}`, { cause });
        });
        if (!response.ok) throw await problemIn(response);
        return read(response);
      });
    });

  return {
    isKeyless: options.apiKey === undefined,
    json: async <T>(call: Call) => answer(call, readJson<T>),
    stream: async (call) => answer(call, readStream),
  };
}

async function readJson<T>(response: Response): Promise<T> {
  const text = await response.text().catch((cause: unknown) => {
    throw new ConnectionError(`the answer from ${response.url} broke off`, { cause });
  });
  return (text === "" ? undefined : JSON.parse(text)) as T;
}

async function readStream(response: Response): Promise<ReadableStream<Uint8Array>> {
  if (!response.body) throw new ConnectionError(`the answer from ${response.url} is empty`);
  return response.body;
}

/** Full jitter, so that clients that failed together do not try again together. */
export function backoff(tries: number): number {
  return Math.random() * Math.min(CAP_MS, BASE_MS * 2 ** (tries - 1));
}

function mayRepeat(call: Call, error: unknown): boolean {
  if (isProblem(error, NOT_NOW)) return true;
  if (!(call.repeatable ?? call.method !== "POST")) return false;
  return error instanceof ConnectionError || isProblem(error, UNREACHED);
}

function isProblem(error: unknown, statuses: readonly number[]): boolean {
  return error instanceof LovageProblem && statuses.includes(error.status);
}

function initOf(options: ClientOptions, call: Call): RequestInit {
  const headers = new Headers(options.headers);
  if (options.apiKey !== undefined) headers.set("authorization", `Bearer ${options.apiKey}`);
  if (call.body !== undefined) headers.set("content-type", "application/json");
  for (const [name, value] of Object.entries(call.headers ?? {})) {
    if (value !== undefined) headers.set(name, value);
  }
  return { method: call.method, headers, ...(call.body === undefined ? {} : { body: JSON.stringify(call.body) }) };
}

function queryOf(query: Call["query"] = {}): string {
  const parameters = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    for (const each of Array.isArray(value) ? (value as string[]) : [value]) {
      if (each !== undefined) parameters.append(name, String(each));
    }
  }
  const text = parameters.toString();
  return text === "" ? "" : `?${text}`;
}
