/**
 * Checks an input of which parts (its `$from`s) are known only when the task starts. A fault is reported only if no value of
 * the unknown parts could remove it.
 */

import { z } from "zod";
import { check } from "./check.ts";
import { faults, MAX_FAULTS, pointer, type Fault } from "./problems.ts";
import { holdersIn, isReference } from "./flows/reference.ts";

/** The faults of the parts of `input` that hold no `$from`. `path` is where it stands. */
export function staticFaults(schema: z.ZodType, input: unknown, path: readonly PropertyKey[]): Fault[] {
  return faultsIn(schema, input, path, holdersIn(input));
}

/** The references in an input, and its lists and objects that hold one. */
type Holders = ReadonlySet<unknown>;

function faultsIn(schema: z.ZodType, input: unknown, path: readonly PropertyKey[], holders: Holders): Fault[] {
  if (!holders.has(input)) {
    const parsed = check(schema, input);
    return parsed.success ? [] : faults(parsed.issues, path);
  }
  if (isReference(input)) return [];
  const plain = unwrapped(schema);
  if (plain instanceof z.ZodObject) return inObject(plain, input, path, holders);
  if (plain instanceof z.ZodArray) return inArray(plain, input, path, holders);
  // The unknown parts may decide which branch of a union is meant, or what a transform makes of the whole.
  return [];
}

/** The schema without wrappers: optional, nullable, read-only, default and transform. */
function unwrapped(schema: z.ZodType): z.ZodType {
  if (schema instanceof z.ZodOptional || schema instanceof z.ZodNullable || schema instanceof z.ZodReadonly) {
    return unwrapped(schema.unwrap() as z.ZodType);
  }
  if (schema instanceof z.ZodDefault || schema instanceof z.ZodPrefault) return unwrapped(schema.unwrap() as z.ZodType);
  return schema instanceof z.ZodPipe ? unwrapped(schema.in as z.ZodType) : schema;
}

function inObject(schema: z.ZodObject, input: unknown, path: readonly PropertyKey[], holders: Holders): Fault[] {
  if (Array.isArray(input))
    return [{ pointer: pointer(path), detail: "Invalid input: expected object, received array" }];
  const given = input as Record<string, unknown>;
  const shape = schema.shape as Record<string, z.ZodType>;
  const known = Object.entries(shape).flatMap(([name, member]) => {
    if (Object.hasOwn(given, name)) return faultsIn(member, given[name], [...path, name], holders);
    // Checked as part of an object, because the schema of an optional member need not accept undefined.
    return faultsIn(z.object({ [name]: member }), {}, path, holders);
  });
  if (!(schema.def.catchall instanceof z.ZodNever)) return known;
  const others = Object.keys(given)
    .filter((name) => !Object.hasOwn(shape, name))
    .slice(0, MAX_FAULTS + 1);
  return [...known, ...others.map((name) => ({ pointer: pointer([...path, name]), detail: "unknown member" }))];
}

function inArray(schema: z.ZodArray, input: unknown, path: readonly PropertyKey[], holders: Holders): Fault[] {
  if (!Array.isArray(input))
    return [{ pointer: pointer(path), detail: "Invalid input: expected array, received object" }];
  const found: Fault[] = [];
  for (const [i, item] of input.entries()) {
    found.push(...faultsIn(schema.element as z.ZodType, item, [...path, i], holders));
    if (found.length > MAX_FAULTS) break;
  }
  return found;
}
