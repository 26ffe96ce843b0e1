/** Answers JSON that may hold stored inputs and results. */

import type { ContentfulStatusCode } from "hono/utils/http-status";
import { writeWithTexts } from "../core/stored-json.ts";
import type { AppContext } from "./app-context.ts";

/** The value as JSON, with stored JSON texts inserted unchanged. */
export function textOf(value: unknown): string {
  return writeWithTexts(value, crypto.randomUUID());
}

/** Items of a list that are written in one go; then other requests of the isolate run. */
const AT_ONCE = 500;

/** Answers an object whose member `name` is a list that may be long: it comes last, and is written while it is sent. */
export function answerLong<Name extends string>(
  c: AppContext,
  value: Record<Name, readonly unknown[]>,
  name: Name,
  status: ContentfulStatusCode = 200,
): Response {
  const { [name]: items, ...rest } = value;
  if (items.length <= AT_ONCE) return answerJson(c, value, status);
  const encoder = new TextEncoder();
  let sent = 0;
  const body = new ReadableStream<Uint8Array>({
    async pull(controller) {
      if (sent > 0) await scheduler.wait(0);
      const part = textOf(items.slice(sent, sent + AT_ONCE)).slice(1, -1);
      const before = sent === 0 ? `${textOf(rest).slice(0, -1)},${JSON.stringify(name)}:[` : ",";
      sent += AT_ONCE;
      const isOver = sent >= items.length;
      controller.enqueue(encoder.encode(before + part + (isOver ? "]}" : "")));
      if (isOver) controller.close();
    },
  });
  return c.body(body, status, { "Content-Type": "application/json" });
}

export function answerJson(c: AppContext, value: unknown, status: ContentfulStatusCode = 200): Response {
  return answerText(c, textOf(value), status);
}

/** Answers a text that is JSON. */
export function answerText(c: AppContext, text: string, status: ContentfulStatusCode = 200): Response {
  return c.body(text, status, { "Content-Type": "application/json" });
}
