/** The files of a new project, and those that are added to an existing Worker. */

import { testedVersion } from "../package.ts";
import { EXPORTS } from "./edit-main.ts";

const GREET = `import { defineTask } from "lovage";
import { z } from "zod";

export const greet = defineTask({
  name: "greet",
  description: "Greets somebody.",
  input: z.strictObject({ name: z.string().min(1) }),
  output: z.string(),
  run: ({ name }, ctx) => {
    ctx.log("greeting", { name });
    return \`Hello, \${name}!\`;
  },
});
`;

const TASKS = `/** Every task that can be submitted by name: a file each, and a line here. */

import { greet } from "./greet";

export const tasks = [greet];
`;

const SCHEDULES = `/** Every schedule that is declared in code. One that is no longer listed ends with the next deployment. */

import type { DeclaredSchedule } from "lovage";

export const schedules: DeclaredSchedule[] = [
  { id: "morning-greeting", cron: "0 7 * * *", timezone: "UTC", task: "greet", input: { name: "world" } },
];
`;

const INDEX = `/** The Worker: Lovage with the tasks of this project. */

import { createLovage } from "lovage";
import { schedules } from "./schedules";
import { tasks } from "./tasks/index";

${EXPORTS}

export default createLovage({ tasks, schedules });
`;

const TEST = `import { runTask } from "lovage/testing";
import { expect, it } from "vitest";
import { greet } from "../src/tasks/greet";

it("greets by name", async () => {
  const { result } = await runTask(greet, { name: "Ada" });
  expect(result).toBe("Hello, Ada!");
});
`;

const ENV = `/** Bindings of your own, as handlers see them in \`ctx.env\`. Lovage's are in wrangler.toml too, and need no line here. */
interface Env {}
`;

const TSCONFIG = {
  compilerOptions: {
    target: "es2024",
    lib: ["esnext"],
    types: ["@cloudflare/workers-types"],
    module: "esnext",
    moduleResolution: "bundler",
    moduleDetection: "force",
    verbatimModuleSyntax: true,
    strict: true,
    noEmit: true,
    skipLibCheck: true,
  },
  include: ["src", "test"],
};

const IGNORED = ["node_modules/", "dist/", ".wrangler/", ".dev.vars"];

/** Scripts of package.json. */
export const SCRIPTS = {
  start: "lovage dev",
  deploy: "lovage deploy",
  test: "vitest run",
  typecheck: "tsc",
};

/** Packages whose install scripts npm may run. */
export const ALLOWED = { esbuild: true, workerd: true };

/** Packages of a new project, each in the version that Lovage was tested with. */
export function packagesOf(lovage: string, isWhole: boolean) {
  const tested = (names: readonly string[]) => Object.fromEntries(names.map((name) => [name, testedVersion(name)]));
  return {
    dependencies: { lovage, ...tested(["zod"]) },
    devDependencies: tested(isWhole ? ["@cloudflare/workers-types", "typescript", "vitest", "wrangler"] : ["wrangler"]),
  };
}

function readme(name: string): string {
  return `# ${name}

Asynchronous tasks on [Lovage](node_modules/lovage/README.md): a Worker of yours that accepts tasks over HTTP and runs them in the background.

| command | does |
|---|---|
| \`npm start\` | runs the service on this machine, with a key of its own in \`.dev.vars\` |
| \`npx lovage submit greet '{"name": "Ada"}' --wait\` | submits a task and waits for its result |
| \`npx lovage tail\`, \`npx lovage top\` | what happens, and how much there is |
| \`npm test\` | the tests of the tasks, without a service |
| \`npm run deploy\` | deploys to Cloudflare: makes what is missing, and shows the key once |
| \`npx lovage doctor\` | what is wrong, and how to mend it |

A task is a file in \`src/tasks\` and a line in \`src/tasks/index.ts\`.
`;
}

/** The tasks and schedules, below the folder of the Worker's module. */
export function taskFiles(isTypeScript: boolean): Record<string, string> {
  const schedules = isTypeScript
    ? SCHEDULES
    : SCHEDULES.replace(/^import type .*\n\n/m, "").replace(": DeclaredSchedule[]", "");
  const end = isTypeScript ? "ts" : "js";
  return { [`tasks/greet.${end}`]: GREET, [`tasks/index.${end}`]: TASKS, [`schedules.${end}`]: schedules };
}

/** Everything of a new project but its wrangler.toml and package.json. */
export function projectFiles(name: string): Record<string, string> {
  const below = (folder: string, files: Record<string, string>) =>
    Object.fromEntries(Object.entries(files).map(([path, text]) => [`${folder}/${path}`, text]));
  return {
    "src/index.ts": INDEX,
    ...below("src", taskFiles(true)),
    "src/env.d.ts": ENV,
    "test/greet.test.ts": TEST,
    "tsconfig.json": `${JSON.stringify(TSCONFIG, null, 2)}\n`,
    "README.md": readme(name),
  };
}

/** A .gitignore that names what must not be kept. */
export function ignoring(text: string | null): string {
  const there = new Set((text ?? "").split("\n").map((line) => line.trim().replace(/^\/|\/$/g, "")));
  const missing = IGNORED.filter((each) => !there.has(each.replace(/\/$/, "")));
  const before = text === null || text === "" || text.endsWith("\n") ? (text ?? "") : `${text}\n`;
  return before + missing.map((each) => `${each}\n`).join("");
}
