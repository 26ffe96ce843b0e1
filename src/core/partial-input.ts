/**
 * An input of which parts are known only when the task starts: what can be said of the rest before. Only what holds
 * whatever the unknown parts turn out to be is a fault.
 */

import { z } from "zod";
import { check } from "./check.ts";
import { faults, MAX_FAULTS, pointer, type Fault } from "./problems.ts";
import { holdersIn, isReference } from "./flows/reference.ts";

/** The faults of the parts of `input` that hold no `$from`. `path` is where it stands. */
export function staticFaults(schema: z.ZodType, input: unknown, path: readonly PropertyKey[]): Fault[] {
  return faultsIn(schema, input, path, holdersIn(input));
}

/** `holders`: what holds a reference. */
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
  // Which branch of a union is meant, or what a transform makes of the whole, the unknown parts may decide.
  return [];
}

/** What the schema takes, without what only says that it may be left out or what becomes of it. */
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
    // Of the object, because a member that may be left out need not take undefined.
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
