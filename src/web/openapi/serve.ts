/** `GET /openapi.json`. */

import { z } from "zod";
import { findTask, taskNames } from "../../engine/registry.ts";
import { etagOf, matches } from "../etag.ts";
import { operation, type Operation } from "../operation.ts";
import { describe } from "./document.ts";

const documentSchema = z
  .looseObject({ openapi: z.string(), info: z.looseObject({ title: z.string(), version: z.string() }) })
  .meta({ id: "OpenApi" });

/** The operation that serves the document; the document describes it, too. */
export function describeOperation(operations: () => readonly Operation[]): Operation {
  // The document cannot change while an isolate lives, so it is written once.
  let written: Promise<{ text: string; etag: string }> | undefined;
  return operation({
    id: "describe",
    method: "get",
    path: "/openapi.json",
    tag: "reference",
    summary: "Describe this API",
    scope: null,
    headers: { "If-None-Match": "Answers 304 while nothing changed" },
    answers: {
      200: { description: "This document", schema: documentSchema, headers: ["ETag"] },
      304: { description: "Unchanged since the given ETag", headers: ["ETag"] },
    },
    problems: [],
    async handle({ c, env }) {
      written ??= write(env, operations());
      const { text, etag } = await written;
      c.header("ETag", etag);
      c.header("Cache-Control", "public, no-cache");
      if (matches(c.req.header("if-none-match"), etag)) return c.body(null, 304);
      return c.body(text, 200, { "Content-Type": "application/json" });
    },
  });
}

async function write(env: Env, operations: readonly Operation[]): Promise<{ text: string; etag: string }> {
  const document = describe(
    operations,
    taskNames(env).map((name) => findTask(name, env)!),
  );
  const text = JSON.stringify(document);
  return { text, etag: await etagOf(text) };
}
