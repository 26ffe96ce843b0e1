/** One operation as the document describes it. */

import type { z } from "zod";
import { queryOf, type Answer, type Operation } from "../operation.ts";
import { EXAMPLES } from "./examples.ts";
import { headersObject } from "./headers.ts";
import { type ProblemBook, problemsOf } from "./problem-answers.ts";
import type { Json, SchemaBook } from "./schema-book.ts";

/** Describes an operation; its schemas and problems are added to the two books. */
export function operationObject(book: SchemaBook, problems: ProblemBook, operation: Operation): Json {
  const { id, tag, summary, scope, link, body, example } = operation;
  const answers = Object.entries(operation.answers).map(([status, answer]) => [status, responseObject(book, answer)]);
  const parameters = [
    ...pathParameters(operation),
    ...queryParameters(book, operation),
    ...headerParameters(operation),
  ];
  return {
    operationId: id,
    tags: [tag],
    summary,
    description: [operation.description, neededKey(scope)].filter(Boolean).join("\n\n"),
    // Since OpenAPI 3.1 a list of scopes may stand beside any scheme.
    security: scope === null ? [] : [{ key: scope === "any" ? [] : [scope] }, ...(link ? [{ link: [] }] : [])],
    ...(parameters.length > 0 ? { parameters } : {}),
    ...(body ? { requestBody: bodyObject(book, operation.describedBody ?? body, example) } : {}),
    responses: { ...Object.fromEntries(answers), ...clashFree(operation, problems.write(problemsOf(operation))) },
  };
}

function neededKey(scope: Operation["scope"]): string {
  if (scope === null) return "Needs no key.";
  return scope === "any" ? "Needs a key, whatever its scopes." : `Needs a key with the scope \`${scope}\`.`;
}

/** Leaves out problem responses whose status the operation already uses for an answer, as `/health` does. */
function clashFree(operation: Operation, responses: Record<string, Json>): Record<string, Json> {
  return Object.fromEntries(Object.entries(responses).filter(([status]) => !(status in operation.answers)));
}

function bodyObject(book: SchemaBook, schema: z.ZodType, example: unknown): Json {
  return {
    required: !schema.safeParse(undefined).success,
    content: {
      "application/json": { schema: book.write(schema, "input"), ...(example === undefined ? {} : { example }) },
    },
  };
}

function responseObject(book: SchemaBook, { description, schema, also = {}, headers = [] }: Answer): Json {
  const content: Record<string, Json> = {};
  if (schema) {
    const written = book.write(schema, "output");
    const example = EXAMPLES[String(written["$ref"]).split("/").at(-1)!];
    content["application/json"] = { schema: written, ...(example === undefined ? {} : { example }) };
  }
  for (const [type, text] of Object.entries(also)) {
    content[type] = { schema: { type: "string", description: text } };
  }
  return {
    description,
    headers: headersObject(headers),
    ...(Object.keys(content).length > 0 ? { content } : {}),
  };
}

function pathParameters({ path }: Operation): Json[] {
  return [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => ({
    name,
    in: "path",
    required: true,
    schema: { type: "string" },
  }));
}

function queryParameters(book: SchemaBook, operation: Operation): Json[] {
  const { properties = {}, required = [] } = book.write(queryOf(operation), "input") as {
    properties?: Record<string, Json>;
    required?: string[];
  };
  const named = Object.entries(properties).map(([name, { description, ...schema }]) => ({
    name,
    in: "query",
    ...(description === undefined ? {} : { description }),
    ...(required.includes(name) ? { required: true } : {}),
    schema: listOf(schema) ?? schema,
  }));
  return operation.openQuery ? [...named, openParameter(operation.openQuery)] : named;
}

/** The list schema of a parameter that may be given more than once, for which one value is no list; null for any other. */
function listOf(schema: Json): Json | null {
  const options = schema["anyOf"];
  if (!Array.isArray(options)) return null;
  return (options as Json[]).find((option) => option["type"] === "array") ?? null;
}

/** A parameter with names of the caller's choice, as an exploded object: each member is sent as one parameter. */
function openParameter({ name, pattern, description }: NonNullable<Operation["openQuery"]>): Json {
  return {
    name,
    in: "query",
    description,
    style: "form",
    explode: true,
    schema: { type: "object", propertyNames: { pattern }, additionalProperties: { type: "string" } },
  };
}

function headerParameters({ headers = {} }: Operation): Json[] {
  return Object.entries(headers).map(([name, description]) => ({
    name,
    in: "header",
    description,
    schema: { type: "string" },
  }));
}
