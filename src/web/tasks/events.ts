/** `GET /v1/tasks/{id}/events`: the same events as JSON, server-sent events or WebSocket frames. */

import { z } from "zod";
import { eventListSchema } from "../../contract/event.ts";
import { follow, listEvents } from "../../engine/follow.ts";
import { afterQuery, answerLive } from "../live.ts";
import { operation } from "../operation.ts";
import { findRow } from "./shared.ts";

export const getEvents = operation({
  id: "getTaskEvents",
  method: "get",
  path: "/v1/tasks/{id}/events",
  tag: "tasks",
  summary: "Follow a task",
  description:
    "`Accept: text/event-stream` streams events until `done`, and `Last-Event-ID` resumes; a WebSocket upgrade gets the same events as JSON text frames; otherwise the kept events are listed.",
  scope: "read",
  link: "read",
  headers: { "Last-Event-ID": "Resumes a stream after this event" },
  query: z.strictObject({ after: afterQuery }),
  answers: {
    101: { description: "The events as WebSocket frames" },
    200: {
      description: "The events",
      schema: eventListSchema,
      also: {
        "text/event-stream": "Each event as `id` (its `seq`), `event` (its `type`) and `data` (the whole event)",
      },
    },
  },
  problems: ["invalid-request", "not-found"],
  async handle({ c, env, principal, params, query }) {
    const row = await findRow(env, principal, params["id"]!);
    const feed = {
      id: row.id,
      list: (after: number) => listEvents(env, row, after),
      follow: (after: number, signal: AbortSignal) => follow(env, row, after, signal),
    };
    return answerLive(c, feed, query.after);
  },
});
