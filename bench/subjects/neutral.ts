/**
 * The contract that the floor and the peers speak: `POST /tasks` `{ name, input }` gives 202 `{ id }`; `GET /tasks/:id` `{ state }`, with
 * `?wait=ms` once it has ended, if they can; `POST /bulk` `{ n }` submits n tasks that do nothing, `GET /open` says how many of those have
 * not ended, and `POST /forget` resets that count; `POST /chain` and `/chord` `{ n }` give 202 `{ id }`.
 */
import { bodyOf, openHttp } from "../load/http.ts";
import type { Service } from "./service.ts";

/** The terminal states, and what each means. */
const ENDS: { [state: string]: "succeeded" | "other" } = { SUCCESS: "succeeded", FAILURE: "other" };

/** What a subject supports; the floor has neither. */
type Can = { wait: boolean; flows: boolean };

export function openNeutral(url: string, connections: number, can: Can): Service {
  const http = openHttp(url, connections);
  const made = async (path: string, body: object) => bodyOf<{ id: string }>(await http.post(path, body), 202).id;
  return {
    submit: (name, input = {}) => made("/tasks", { name, input }),
    canWait: can.wait,
    look: async (id, waitMs = 0) => {
      const answer = await http.get(`/tasks/${id}${waitMs > 0 ? `?wait=${waitMs}` : ""}`);
      return ENDS[bodyOf<{ state: string }>(answer, 200).state] ?? null;
    },
    submitMany: async (count) => bodyOf<{ n: number }>(await http.post("/bulk", { n: count }), 202).n,
    openOf: async () => bodyOf<{ open: number }>(await http.get("/open"), 200).open,
    forgetMany: async () => void bodyOf(await http.post("/forget", {}), 200),
    askEveryMs: 20,
    flows: can.flows ? { chain: (n) => made("/chain", { n }), chord: (n) => made("/chord", { n }) } : null,
    close: () => http.close(),
  };
}
