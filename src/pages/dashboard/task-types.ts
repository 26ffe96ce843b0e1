/** The tasks that the deployment has, with the JSON Schemas of their inputs, from the service's own description. */

import { signal } from "@preact/signals";
import { BASE } from "./session.ts";

/** As much of a JSON Schema as the forms read. */
export interface Schema {
  $ref?: string;
  type?: string | string[];
  title?: string;
  description?: string;
  properties?: Record<string, Schema>;
  required?: string[];
  items?: Schema;
  enum?: unknown[];
  const?: unknown;
  default?: unknown;
  format?: string;
  minimum?: number;
  maximum?: number;
  maxLength?: number;
  anyOf?: Schema[];
  oneOf?: Schema[];
  allOf?: Schema[];
}

export interface TaskType {
  name: string;
  description: string;
  input: Schema;
  mayOmitInput: boolean;
}

export const taskTypes = signal<readonly TaskType[]>([]);

let schemas: Record<string, Schema> = {};
let reading: Promise<void> | undefined;

/** Reads them, the first time it is called. */
export function loadTaskTypes(): Promise<void> {
  reading ??= read().catch((error: unknown) => {
    reading = undefined;
    throw error;
  });
  return reading;
}

/** The schema that a reference stands for. */
export function resolved(schema: Schema): Schema {
  const name = schema.$ref?.replace("#/components/schemas/", "");
  return name === undefined ? schema : (schemas[name] ?? {});
}

async function read(): Promise<void> {
  const answer = await fetch(`${BASE}/openapi.json`);
  if (!answer.ok) throw new Error(`The service's description could not be read: ${answer.status}`);
  const document = (await answer.json()) as { components: { schemas: Record<string, Schema> } };
  schemas = document.components.schemas;
  taskTypes.value = Object.entries(schemas)
    .filter(([name]) => name.startsWith("Submission."))
    .map(([name, { description = "", properties, required = [] }]) => ({
      name: name.slice("Submission.".length),
      description,
      input: resolved(properties?.["input"] ?? {}),
      mayOmitInput: !required.includes("input"),
    }))
    .toSorted((a, b) => (a.name < b.name ? -1 : 1));
}
