/** `GET /v1/tasks/{id}/events`: the same events as JSON, server-sent events or WebSocket frames. */

import { follow, listEvents } from "../../engine/events/follow.ts";
import { answerLive, live } from "../live.ts";
import { operation } from "../operation.ts";
import { whileValid } from "../while-valid.ts";
import { findRow } from "./shared.ts";

export const getEvents = operation({
  id: "getTaskEvents",
  method: "get",
  path: "/v1/tasks/{id}/events",
  tag: "tasks",
  summary: "Follow a task",
  description:
    "`Accept: text/event-stream` streams events until `done`, and `Last-Event-ID` resumes, also over a retry; a WebSocket upgrade gets the same events as JSON text frames; otherwise the kept events are listed.",
  scope: "read",
  link: "read",
  ...live,
  async handle({ c, env, principal, params, query }) {
    const row = await findRow(env, principal, params["id"]!);
    const feed = {
      id: row.id,
      list: (after: number) => listEvents(env, row, after),
      follow: (after: number, signal: AbortSignal) => whileValid(env, principal, follow(env, row, after, signal)),
    };
    return answerLive(c, feed, query.after);
  },
});
