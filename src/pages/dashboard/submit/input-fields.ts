/** The fields that a JSON Schema asks for. Pure. */

import { resolved, type Schema } from "../task-types.ts";

export interface InputField {
  name: string;
  schema: Schema;
  isRequired: boolean;
  /** `loose`: JSON, or text where it is none. */
  kind: "text" | "number" | "boolean" | "choice" | "json" | "loose";
  choices: readonly string[];
}

/** The fields of an object; null where the input is no object with known members. */
export function fieldsOf(given: Schema): InputField[] | null {
  const schema = resolved(given);
  const { properties, required = [] } = schema;
  if (schema.type !== "object" || properties === undefined) return null;
  return Object.entries(properties).map(([name, each]) => {
    const inner = resolved(each);
    return { name, schema: inner, isRequired: required.includes(name), ...kindOf(inner) };
  });
}

/** One field for all of a value that is a text, a number, a choice, or yes or no; null for any other. */
export function singleField(given: Schema): InputField | null {
  const schema = resolved(given);
  const kind = kindOf(schema);
  return kind.kind === "json" || kind.kind === "loose" ? null : { name: "value", schema, isRequired: true, ...kind };
}

function kindOf({ type, enum: choices, anyOf = [] }: Schema): Pick<InputField, "kind" | "choices"> {
  if (choices?.every((choice) => typeof choice === "string")) return { kind: "choice", choices: choices };
  const kind = typeof type === "string" ? KINDS[type] : undefined;
  const isLoose = anyOf.some((each) => resolved(each).type === "string");
  return { kind: kind ?? (isLoose ? "loose" : "json"), choices: [] };
}

const KINDS: Readonly<Record<string, InputField["kind"]>> = {
  string: "text",
  number: "number",
  integer: "number",
  boolean: "boolean",
};

/** The initial values of the required fields. */
export function beginning(fields: readonly InputField[]): Record<string, unknown> {
  const given = fields.flatMap(({ name, schema, isRequired }) => {
    if (schema.const !== undefined) return [[name, schema.const] as const];
    return isRequired && schema.type === "string" && kindOf(schema).kind === "text" ? [[name, ""] as const] : [];
  });
  return Object.fromEntries(given);
}
