/** The JSON Schema of a signal's body, for its sender. */

import { z } from "zod";

/** Characters of a schema that a task's row keeps. */
const MAX_SCHEMA_LENGTH = 16_384;

/** A schema that cannot be written, or is too large. */
const NONE = { text: null } as const;

const written = new WeakMap<z.ZodType, { text: string | null }>();

/** Null where there is no schema, or none that can be written as JSON Schema in 16,384 characters. */
export function jsonSchemaOf(schema: z.ZodType | undefined): unknown {
  if (schema === undefined) return null;
  const known = written.get(schema) ?? write(schema);
  written.set(schema, known);
  return known.text === null ? null : (JSON.parse(known.text) as unknown);
}

function write(schema: z.ZodType): { text: string | null } {
  try {
    const text = JSON.stringify(z.toJSONSchema(schema, { io: "input", unrepresentable: "any" }));
    return text.length <= MAX_SCHEMA_LENGTH ? { text } : NONE;
  } catch {
    return NONE;
  }
}
