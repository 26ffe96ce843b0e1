/** The Workers that Miniflare runs on the strict platform: the built script several times, and a front before them. */

import { readFileSync } from "node:fs";
import { join, relative } from "node:path";
import type { V4WorkerOptions } from "miniflare";
import type { Unstable_Config } from "wrangler";
import { eventLimits, type BindingKind, type DatabaseOptions, type Plan, type StrictConfig } from "./limits.ts";

export interface StrictOptions {
  plan: Plan;
  /** The factor for all durations of the platform. */
  scale: number;
  database: DatabaseOptions;
}

/** The options of a Worker that differ between the isolates. */
export type WorkerOptions = Pick<
  V4WorkerOptions,
  "compatibilityDate" | "compatibilityFlags" | "d1Databases" | "queueConsumers" | "assets" | "cronTriggers"
> & { durableObjects?: Record<string, { className: string; scriptName?: string }>; serviceBindings?: Services };

const root = join(import.meta.dirname, "../..");

/** The name of the Worker before the others, which holds the bindings that Node uses. */
export const FRONT = "strict-front";

/** The module that wraps the script. */
const RUNTIME = join(root, "dist/strict/index.js");

/** How many isolates there are of each kind. */
const ISOLATES = 2;

const GATE = { STRICT_GATE: { className: "D1Gate", scriptName: FRONT, useSQLite: true } };

/** `bindings`: variables. `bundle`: the module to run. The objects' Worker has the script's own name, and so its usual storage. */
export function strictWorkers(
  config: Unstable_Config,
  worker: WorkerOptions,
  bindings: Record<string, unknown>,
  { plan, scale, database }: StrictOptions,
  bundle: string = join(root, "dist/worker/index.js"),
): V4WorkerOptions[] {
  const own = config.name ?? "lovage";
  const limits = eventLimits(plan, scale);
  const strict: StrictConfig = { limits, bindings: bindingKinds(config, own) };
  const { queueConsumers, assets, durableObjects, cronTriggers: _, ...rest } = worker;
  const remoteObjects = Object.fromEntries(
    Object.entries(durableObjects ?? {}).map(([name, object]) => [
      name,
      { ...object, scriptName: object.scriptName ?? own },
    ]),
  );
  const script = (name: string) => ({
    ...rest,
    name,
    modulesRoot: root,
    modules: scriptModules(config, own, strict, bundle),
    bindings: { ...bindings, D1_MAX_BYTES: String(database.maxBytes) },
    serviceBindings: selfBindings(rest.serviceBindings, own, name),
  });
  const names = (kind: string) => Array.from({ length: ISOLATES }, (_unused, i) => `${own}-${kind}-${i + 1}`);
  const web = names("web");
  const consumers = names("consumer");
  const workers = [
    {
      name: FRONT,
      compatibilityDate: worker.compatibilityDate,
      compatibilityFlags: [...(worker.compatibilityFlags ?? []), "service_binding_extra_handlers"],
      modulesRoot: root,
      modules: frontModules(),
      bindings: {
        STRICT_DATABASES: Object.keys(worker.d1Databases ?? {}),
        STRICT_DATABASE: database,
        STRICT_LIMITS: limits,
      },
      d1Databases: worker.d1Databases,
      durableObjects: { STRICT_GATE: { className: "D1Gate", useSQLite: true } },
      queueConsumers,
      serviceBindings: {
        ...numbered("WEB", web),
        ...numbered("CONSUMER", consumers),
        ...numbered(
          "REPORT",
          [own, ...web, ...consumers].map((name) => ({ name, entrypoint: "StrictReport" })),
        ),
      },
    },
    { ...script(own), durableObjects: { ...durableObjects, ...GATE } },
    ...web.map((name) => ({ ...script(name), assets, durableObjects: { ...remoteObjects, ...GATE } })),
    ...consumers.map((name) => ({ ...script(name), durableObjects: { ...remoteObjects, ...GATE } })),
  ];
  return workers as unknown as V4WorkerOptions[];
}

type Services = Record<string, string | { name: string; entrypoint?: string }> | undefined;

/** The script's bindings to itself, which must lead to the same isolate. */
function selfBindings(services: Services, own: string, name: string): Services {
  return Object.fromEntries(
    Object.entries(services ?? {}).map(([binding, service]) => [
      binding,
      typeof service === "object" && service.name === own ? { ...service, name } : service,
    ]),
  );
}

function bindingKinds(config: Unstable_Config, own: string): Record<string, BindingKind> {
  const kinds: [string | undefined, BindingKind][] = [
    ...config.d1_databases.map(({ binding }): [string, BindingKind] => [binding, "d1"]),
    ...(config.queues.producers ?? []).map(({ binding }): [string, BindingKind] => [binding, "queue"]),
    ...config.durable_objects.bindings.map(({ name }): [string, BindingKind] => [name, "object"]),
    ...(config.services ?? []).map(({ binding, service }): [string, BindingKind] => [
      binding,
      service === own ? "self" : "service",
    ]),
    [config.assets?.binding, "fetcher"],
  ];
  return Object.fromEntries(kinds.filter(([name]) => name !== undefined));
}

/** The built Worker unchanged, and an entry module that wraps its exports. */
function scriptModules(config: Unstable_Config, own: string, strict: StrictConfig, bundle: string) {
  const objects = config.durable_objects.bindings.filter((binding) => binding.script_name === undefined);
  const entrypoints = (config.services ?? []).filter(({ service, entrypoint }) => service === own && entrypoint);
  const lines = [
    `import { StrictReport, strictEntrypoint, strictHandlers, strictObject } from "./dist/strict/index.js";`,
    `import * as app from "./${relative(root, bundle)}";`,
    `const config = ${JSON.stringify(strict)};`,
    `export { StrictReport };`,
    `export default strictHandlers(app.default, config);`,
    ...objects.map(({ class_name: name }) => wrapped("strictObject", name)),
    ...entrypoints.map(({ entrypoint }) => wrapped("strictEntrypoint", entrypoint!)),
  ];
  return [esModule("strict-script.js", lines.join("\n")), built(RUNTIME), built(bundle)];
}

function wrapped(wrapper: string, name: string): string {
  return `export const ${name} = ${wrapper}(app.${name}, ${JSON.stringify(name)}, config);`;
}

function frontModules() {
  const entry = `export { D1Gate, front as default } from "./dist/strict/index.js";`;
  return [esModule("strict-front.js", entry), built(RUNTIME)];
}

function built(path: string) {
  return { type: "ESModule" as const, path, contents: readFileSync(path, "utf8") };
}

function esModule(name: string, contents: string) {
  return { type: "ESModule" as const, path: join(root, name), contents };
}

function numbered<T>(prefix: string, values: T[]): Record<string, T> {
  return Object.fromEntries(values.map((value, i) => [`${prefix}_${i + 1}`, value]));
}
