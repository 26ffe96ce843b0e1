/** Collects zod schemas as the document's `components/schemas`; a schema with an id is written once. */

import { z } from "zod";

export type Json = Record<string, unknown>;

/** `input`: as a caller writes it; `output`: as the service answers it. */
export type Side = "input" | "output";

const COMPONENTS = "#/components/schemas/";

export class SchemaBook {
  readonly components: Record<string, Json> = {};

  /** The schema as JSON Schema; parts that have an id are references to components. */
  write(schema: z.ZodType, side: Side): Json {
    const {
      $schema: _,
      $defs = {},
      ...written
    } = z.toJSONSchema(schema, {
      io: side,
      target: "draft-2020-12",
      unrepresentable: "any",
      override: ({ jsonSchema }) => simplify(jsonSchema, side),
    }) as Json & { $defs?: Record<string, Json> };
    const names = new Map(Object.entries($defs).map(([id, definition]) => [id, this.#nameFor(id, definition)]));
    for (const [id, definition] of Object.entries($defs)) {
      this.components[names.get(id)!] = relink(definition, names) as Json;
    }
    return relink(written, names) as Json;
  }

  /** A reference to a component that stands for `definition` from now on. */
  put(name: string, definition: Json): Json {
    this.components[name] = definition;
    return reference(name);
  }

  /** The name of a component. Two different schemas may have one id: the input and output of one, or a user's and ours. */
  #nameFor(id: string, definition: Json): string {
    const text = JSON.stringify(relink(definition, new Map()));
    for (let n = 1; ; n++) {
      const name = n === 1 ? id : `${id}.${n}`;
      const known = this.components[name];
      if (known === undefined || JSON.stringify(known) === text) return name;
    }
  }
}

export function reference(name: string): Json {
  return { $ref: COMPONENTS + name };
}

function relink(value: unknown, names: ReadonlyMap<string, string>): unknown {
  if (Array.isArray(value)) return value.map((item) => relink(item, names));
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, item]) => {
      if (key !== "$ref" || typeof item !== "string") return [key, relink(item, names)];
      const id = item.replace("#/$defs/", "");
      return [key, COMPONENTS + (names.get(id) ?? id)];
    }),
  );
}

/** Removes keywords that tell a reader nothing. */
function simplify(schema: Json, side: Side): void {
  // `format` says the same as the pattern, which is zod's check.
  if (schema["format"] === "date-time" || schema["type"] !== "string") delete schema["pattern"];
  if (schema["minimum"] === Number.MIN_SAFE_INTEGER) delete schema["minimum"];
  if (schema["maximum"] === Number.MAX_SAFE_INTEGER) delete schema["maximum"];
  // An answer may get further members in time.
  if (side === "output" && schema["additionalProperties"] === false) delete schema["additionalProperties"];
  if (JSON.stringify(schema["propertyNames"]) === '{"type":"string"}') delete schema["propertyNames"];
}
