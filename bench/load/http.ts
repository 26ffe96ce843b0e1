/** A small HTTP client with kept-alive connections, one request at a time on each: `fetch` costs more per call than what is measured here. */
import { Pool } from "undici";

export type Answer = { status: number; headers: Record<string, string | string[] | undefined>; text: string };

export type Http = {
  get(path: string, headers?: Record<string, string>): Promise<Answer>;
  post(path: string, body: unknown, headers?: Record<string, string>): Promise<Answer>;
  put(path: string, body: unknown): Promise<Answer>;
  close(): Promise<void>;
};

/** Longer than any wait that is asked for. */
const PATIENCE_MS = 90_000;

/** `headers` go with every request. No answer rejects, whatever its status. */
export function openHttp(url: string, connections: number, headers: Record<string, string> = {}): Http {
  const pool = new Pool(url, {
    connections,
    pipelining: 1,
    headersTimeout: PATIENCE_MS,
    bodyTimeout: PATIENCE_MS,
    connectTimeout: 10_000,
  });
  const send = async (
    method: "GET" | "POST" | "PUT",
    path: string,
    more: Record<string, string>,
    body: string | null,
  ) => {
    const answer = await pool.request({ method, path, headers: { ...headers, ...more }, body });
    return { status: answer.statusCode, headers: answer.headers, text: await answer.body.text() };
  };
  return {
    get: (path, more = {}) => send("GET", path, more, null),
    post: (path, body, more = {}) =>
      send("POST", path, { "content-type": "application/json", ...more }, JSON.stringify(body)),
    put: (path, body) => send("PUT", path, { "content-type": "application/json" }, JSON.stringify(body)),
    close: () => pool.destroy(),
  };
}

/** The parsed body of the answer; throws its text where the status is not `expected`. */
export function bodyOf<T>({ status, text }: Answer, expected: number): T {
  if (status !== expected) throw new Error(`answered ${status}, not ${expected}: ${text.slice(0, 300)}`);
  return JSON.parse(text) as T;
}
