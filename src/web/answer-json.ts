/** Answers JSON that may hold stored inputs and results. */

import type { ContentfulStatusCode } from "hono/utils/http-status";
import { writeWithTexts } from "../core/stored-json.ts";
import type { AppContext } from "./app-context.ts";

/** The value as JSON, with stored JSON texts inserted unchanged. */
export function textOf(value: unknown): string {
  return writeWithTexts(value, crypto.randomUUID());
}

export function answerJson(c: AppContext, value: unknown, status: ContentfulStatusCode = 200): Response {
  return c.body(textOf(value), status, { "Content-Type": "application/json" });
}
