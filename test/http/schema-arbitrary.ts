/** JSON Schema as an arbitrary of fast-check: values that fit, and values that nearly do. */
import fc from "fast-check";
import type { Json } from "./document.ts";

/** A schema that refers to itself is cut off after so many references. */
const MAX_REFERENCES = 6;

const MAX_LENGTH = 40;

/** A port where nothing listens: a call to it fails at once and never leaves this machine. */
const NOWHERE = "http://127.0.0.1:9/";

/** Values that fit the schema; `components` are the document's. */
export function fitting(schema: Json, components: Record<string, Json>, references = 0): fc.Arbitrary<unknown> {
  const inner = (each: unknown) => fitting(each as Json, components, references);
  if (typeof schema["$ref"] === "string") {
    const referred = components[schema["$ref"].split("/").at(-1)!] ?? {};
    return references === MAX_REFERENCES ? fc.constant(null) : fitting(referred, components, references + 1);
  }
  const { examples = [], default: usual, ...rest } = schema;
  const samples = [...(examples as unknown[]), ...(usual === undefined ? [] : [usual])];
  if (samples.length > 0) return fc.oneof(fc.constantFrom(...samples), inner(rest));
  const options = (schema["oneOf"] ?? schema["anyOf"]) as Json[] | undefined;
  if (options) return fc.oneof(...options.map(inner));
  if ("const" in schema) return fc.constant(schema["const"]);
  if (Array.isArray(schema["enum"])) return fc.constantFrom(...(schema["enum"] as unknown[]));
  if (Array.isArray(schema["type"])) return fc.oneof(...schema["type"].map((type) => inner({ ...schema, type })));
  switch (schema["type"]) {
    case "null":
      return fc.constant(null);
    case "boolean":
      return fc.boolean();
    case "integer":
    case "number":
      return numberOf(schema);
    case "string":
      return stringOf(schema);
    case "array": {
      const minLength = Number(schema["minItems"] ?? 0);
      const maxLength = Math.min(Number(schema["maxItems"] ?? 4), minLength + 4);
      return fc.array(inner(schema["items"] ?? {}), { minLength, maxLength });
    }
    case "object":
      return objectOf(schema, inner);
    default:
      return fc.jsonValue({ maxDepth: 2 });
  }
}

const ABSENT = Symbol("absent");

function objectOf(schema: Json, inner: (each: unknown) => fc.Arbitrary<unknown>): fc.Arbitrary<unknown> {
  const properties = (schema["properties"] ?? {}) as Record<string, Json>;
  const required = (schema["required"] ?? []) as string[];
  const members = Object.entries(properties).map(([name, each]) => {
    if (required.includes(name)) return [name, inner(each)] as const;
    // Seldom, because what is optional often excludes something else.
    return [
      name,
      fc.oneof({ weight: 3, arbitrary: fc.constant(ABSENT) }, { weight: 1, arbitrary: inner(each) }),
    ] as const;
  });
  const known = fc
    .record(Object.fromEntries(members))
    .map((whole) => Object.fromEntries(Object.entries(whole).filter(([, value]) => value !== ABSENT)));
  const more = schema["additionalProperties"];
  if (typeof more !== "object" || Object.keys(properties).length > 0) return known;
  const names = inner({ type: "string", minLength: 1, ...(schema["propertyNames"] as Json | undefined) });
  return fc.dictionary(names as fc.Arbitrary<string>, inner(more), { maxKeys: 3 });
}

function numberOf(schema: Json): fc.Arbitrary<number> {
  const min = Number(schema["minimum"] ?? -1e9);
  const max = Number(schema["maximum"] ?? 1e9);
  if (schema["type"] === "integer")
    return fc.integer({ min: Math.max(min, -(2 ** 31)), max: Math.min(max, 2 ** 31 - 1) });
  return fc.double({ min, max, noNaN: true });
}

function stringOf(schema: Json): fc.Arbitrary<string> {
  if (schema["format"] === "date-time") {
    const range = { min: new Date("2026-01-01"), max: new Date("2027-12-31"), noInvalidDate: true };
    return fc.date(range).map((date) => date.toISOString());
  }
  if (schema["format"] === "uri") return fc.webPath().map((path) => NOWHERE + path.replace(/^\//, ""));
  if (typeof schema["pattern"] === "string") return fc.stringMatching(new RegExp(schema["pattern"]), { size: "small" });
  const minLength = Number(schema["minLength"] ?? 0);
  const maxLength = Math.min(Number(schema["maxLength"] ?? MAX_LENGTH), minLength + MAX_LENGTH);
  const ascii = fc.string({ minLength, maxLength });
  return fc.oneof(
    { weight: 3, arbitrary: ascii },
    { weight: 1, arbitrary: fc.string({ minLength, maxLength, unit: "grapheme" }) },
  );
}

const NASTY: unknown[] = [
  null,
  "",
  0,
  -1,
  1.5,
  1e308,
  Number.MAX_SAFE_INTEGER + 2,
  true,
  [],
  {},
  [[]],
  "x".repeat(10_001),
  "\u0000",
  "\ud800",
  "'; DROP TABLE tasks; --",
  '$."x"',
  "__proto__",
  "${jndi:ldap://127.0.0.1:9}",
  "9999-12-31T23:59:59.999Z",
  "-1s",
  "999999999999999d",
];

const nasty = fc.oneof(fc.constantFrom(...NASTY), fc.jsonValue({ maxDepth: 2 }));

type Change = "replace" | "drop" | "add";

/** The same with something wrong somewhere: a member left out, another added, a value of another kind. */
export function nearly(values: fc.Arbitrary<unknown>): fc.Arbitrary<unknown> {
  const changes = fc.constantFrom<Change>("replace", "drop", "add");
  return fc
    .tuple(values, changes, fc.nat(), nasty, fc.string({ maxLength: 10 }))
    .map(([value, how, where, other, name]) => {
      const places = countPlaces(value);
      return places === 0 ? other : changeAt(value, where % places, how, other, name);
    });
}

/** Members of all objects and arrays in it. */
function countPlaces(value: unknown): number {
  if (typeof value !== "object" || value === null) return 0;
  const members = Object.values(value) as unknown[];
  return members.reduce<number>((count, member) => count + 1 + countPlaces(member), 0);
}

/** Changes the member that comes as number `place`, depth first. */
function changeAt(value: unknown, place: number, how: Change, other: unknown, name: string): unknown {
  const members: [string, unknown][] = [];
  let left = place;
  for (const [key, member] of Object.entries(value as Json)) {
    const inside = countPlaces(member);
    if (left === 0) {
      if (how !== "drop") members.push([key, how === "replace" ? other : member]);
      if (how === "add") members.push([name || "constructor", other]);
    } else if (left > 0 && left <= inside) {
      members.push([key, changeAt(member, left - 1, how, other, name)]);
    } else {
      members.push([key, member]);
    }
    left -= inside + 1;
  }
  return Array.isArray(value) ? members.map(([, member]) => member) : Object.fromEntries(members);
}
