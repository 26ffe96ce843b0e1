/**
 * The document's schemas of the registered tasks: a submission and a submitted task for each, with the
 * schemas of its input and its result; `task` is the discriminator.
 */

import type { TaskDefinition } from "../../core/task.ts";
import { reference, type Json, type SchemaBook } from "./schema-book.ts";

/** Replaces the general `Submission`, `BatchItem` and `SubmittedTask` by those of the tasks. */
export function writeTasks(book: SchemaBook, definitions: readonly TaskDefinition[]): void {
  const submissions: Record<string, Json> = {};
  const submitted: Record<string, Json> = {};
  for (const definition of definitions) {
    const { name } = definition;
    const input = book.put(`Input.${name}`, book.write(definition.input, "input"));
    const result = book.put(`Result.${name}`, book.write(definition.output, "output"));
    const mayOmitInput = definition.input.safeParse(undefined).success;
    submissions[name] = book.put(`Submission.${name}`, submissionOf(definition, input, mayOmitInput));
    submitted[name] = book.put(`Task.${name}`, taskOf(definition, input, result));
  }
  const submission = book.put("Submission", union(submissions));
  book.put("BatchItem", submission);
  book.put("SubmittedTask", union(submitted));
}

function submissionOf(definition: TaskDefinition, input: Json, mayOmitInput: boolean): Json {
  const { name, description } = definition;
  return {
    type: "object",
    ...(description ? { description } : {}),
    properties: { task: { type: "string", const: name }, input, options: reference("TaskOptions") },
    required: mayOmitInput ? ["task"] : ["task", "input"],
    additionalProperties: false,
  };
}

function taskOf(definition: TaskDefinition, input: Json, result: Json): Json {
  const own = {
    type: "object",
    properties: {
      task: { type: "string", const: definition.name },
      // Null for a key without the right to read them.
      input: orNull(input),
      result: orNull(result),
    },
    required: ["task", "input", "result"],
  };
  return { allOf: [reference("Task"), own] };
}

function orNull(schema: Json): Json {
  return { anyOf: [schema, { type: "null" }] };
}

function union(members: Record<string, Json>): Json {
  const mapping = Object.fromEntries(Object.entries(members).map(([name, { $ref }]) => [name, $ref]));
  return { oneOf: Object.values(members), discriminator: { propertyName: "task", mapping } };
}
