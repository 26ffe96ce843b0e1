/** What is missing in a project's configuration: computed, not yet written. */

import type { RawConfig } from "./wanted.ts";

/** One change of a configuration: a value that is set, or an item at the end of a list. Nothing that is there is ever changed. */
export interface Addition {
  kind: "set" | "append";
  path: string[];
  value: unknown;
}

export interface Missing {
  additions: Addition[];
  /** What the user must do by hand, in sentences. */
  notes: string[];
}

const LANE_QUEUE = /(?:^|-)(lovage-[a-z-]+)$/;
const roleOf = (queue = "") => LANE_QUEUE.exec(queue)?.[1];

/** Attempts of more than 25 s need this compatibility date or a later one, because their objects sleep meanwhile. */
const LONG_ATTEMPTS_SINCE = "2026-10-01";

/** What `there` lacks of `wanted`. Where the name of a binding is taken, Lovage's binding gets `LOVAGE_` before it. */
export function missingIn(there: RawConfig, wanted: RawConfig): Missing {
  const taken = bindingsOf(there);
  const free = (name = "") => (taken.has(name) ? `LOVAGE_${name}` : name);
  const additions: Addition[] = [];
  const set = (key: keyof RawConfig) => {
    if (there[key] === undefined && wanted[key] !== undefined)
      additions.push({ kind: "set", path: [key], value: wanted[key] });
  };
  const append = (path: string[], items: readonly unknown[]) => {
    for (const value of items) additions.push({ kind: "append", path, value });
  };

  set("compatibility_date");
  append(["compatibility_flags"], without(wanted.compatibility_flags, there.compatibility_flags));
  set("limits");
  set("version_metadata");
  append(["triggers", "crons"], without(wanted.triggers?.crons, there.triggers?.crons));
  if (there.assets === undefined && wanted.assets !== undefined) {
    additions.push({
      kind: "set",
      path: ["assets"],
      value: { ...wanted.assets, binding: free(wanted.assets.binding) },
    });
  }
  if (!(there.d1_databases ?? []).some((each) => isOwnDatabase(each))) {
    append(
      ["d1_databases"],
      (wanted.d1_databases ?? []).map((each) => ({ ...each, binding: free(each.binding) })),
    );
  }
  const objects = there.durable_objects?.bindings ?? [];
  const isOwnObject = (className: string) =>
    objects.some((each) => each.class_name === className && each.script_name === undefined);
  append(
    ["durable_objects", "bindings"],
    (wanted.durable_objects?.bindings ?? [])
      .filter((each) => !isOwnObject(each.class_name))
      .map((each) => ({ ...each, name: free(each.name) })),
  );
  const classes = (there.migrations ?? []).flatMap((each) => each.new_sqlite_classes ?? []);
  append(
    ["migrations"],
    (wanted.migrations ?? [])
      .map((each) => ({ ...each, new_sqlite_classes: without(each.new_sqlite_classes, classes) }))
      .filter((each) => each.new_sqlite_classes.length > 0),
  );
  const limits = (there.ratelimits ?? []).map((each) => each.name);
  append(
    ["ratelimits"],
    (wanted.ratelimits ?? []).filter(({ name }) => !limits.some((each) => each.endsWith(name))),
  );
  for (const side of ["producers", "consumers"] as const) {
    const roles = (there.queues?.[side] ?? []).map((each) => roleOf(each.queue));
    const queues: { queue?: string; binding?: string }[] = wanted.queues?.[side] ?? [];
    append(
      ["queues", side],
      queues
        .filter((each) => !roles.includes(roleOf(each.queue)))
        .map((each) => (each.binding === undefined ? each : { ...each, binding: free(each.binding) })),
    );
  }
  set("observability");
  return { additions, notes: notesOn(there) };
}

/** Whether this is Lovage's own database: it has Lovage's migrations, or its binding is `LOVAGE_DB`. */
export function isOwnDatabase(database: { migrations_dir?: string; binding?: string }): boolean {
  return database.binding === "LOVAGE_DB" || /(^|\/)lovage\/dist\/migrations\/?$/.test(database.migrations_dir ?? "");
}

function notesOn(there: RawConfig): string[] {
  const notes: string[] = [];
  const { compatibility_date: date, assets, env, vars } = there;
  if (vars !== undefined && "API_KEY" in vars) {
    notes.push(
      "API_KEY is a variable of your own, and would be Lovage's key: give Lovage another, as the secret LOVAGE_API_KEY.",
    );
  }
  if (date !== undefined && date < LONG_ATTEMPTS_SINCE) {
    notes.push(
      `compatibility_date is ${date}: attempts of more than 25 s need ${LONG_ATTEMPTS_SINCE} or later. Raise it once your Worker is tested with it.`,
    );
  }
  if (assets !== undefined && !(assets.directory ?? "").includes("lovage/dist/pages")) {
    notes.push(
      "The Worker has assets of its own, and can have no others: Lovage's pages (/docs, /dashboard) are not served.",
    );
  }
  const names = Object.keys(env ?? {});
  if (names.length > 0) {
    notes.push(
      `Environments inherit no bindings: repeat Lovage's in ${names.map((name) => `env.${name}`).join(", ")} where it must run there too.`,
    );
  }
  return notes;
}

/** All names by which the Worker's code sees something. */
function bindingsOf(config: RawConfig): Set<string> {
  const { env: _, ...own } = config;
  const names = new Set(Object.keys(config.vars ?? {}));
  const visit = (node: unknown): void => {
    if (typeof node !== "object" || node === null) return;
    if ("binding" in node && typeof node.binding === "string") names.add(node.binding);
    for (const value of Object.values(node)) visit(value);
  };
  visit(own);
  for (const { name } of config.durable_objects?.bindings ?? []) names.add(name);
  for (const { name } of config.ratelimits ?? []) names.add(name);
  return names;
}

function without<T>(wanted: readonly T[] = [], there: readonly T[] = []): T[] {
  return wanted.filter((each) => !there.includes(each));
}

/** The configuration with the additions. */
export function withAdditions(config: RawConfig, additions: readonly Addition[]): RawConfig {
  const result = structuredClone(config);
  for (const { kind, path, value } of additions) {
    const last = path.at(-1)!;
    let node = result as Record<string, unknown>;
    for (const key of path.slice(0, -1)) node = (node[key] ??= {}) as Record<string, unknown>;
    node[last] = kind === "set" ? value : [...((node[last] as unknown[] | undefined) ?? []), value];
  }
  return result;
}
