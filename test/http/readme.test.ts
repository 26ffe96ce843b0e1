/**
 * The README and the documents it leads to, taken at their word: their samples are put into a copy of the sources, the copy is type-checked and started as `npm start`
 * does, and its commands run against it in one shell, in order. A `bash` sample that says `start` or `deploy` is not run.
 */
import { execFile, spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { existsSync, globSync, readFileSync } from "node:fs";
import { appendFile, cp, mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { json } from "node:stream/consumers";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { optionsSchema } from "../../src/contract/submission.ts";
import type { TaskResource } from "../../src/contract/task.ts";
import { ARROWS } from "../../src/core/states.ts";
import { apiOf, type Api } from "./api.ts";

const root = join(import.meta.dirname, "../..");
const documents = [
  "README.md",
  "src/app/README.md",
  "src/web/README.md",
  ...globSync("docs/*.md", { cwd: root }).toSorted(),
];
const readme = documents.map((name) => readFileSync(join(root, name), "utf8")).join("\n");
const manifest = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as Record<
  "scripts" | "dependencies" | "devDependencies",
  Record<string, string>
>;

const tools = JSON.parse(readFileSync(join(root, "test/tools/package.json"), "utf8")) as {
  dependencies: Record<string, string>;
};
const nodes = JSON.parse(readFileSync(join(root, "scripts/node/package.json"), "utf8")) as {
  optionalDependencies: Record<string, string>;
};

type Sample = { language: string; info: string; body: string };

const samples = [...readme.matchAll(/^```(\w+) ?(.*)\n([^]*?)^```$/gm)].map(
  ([, language = "", info = "", body = ""]): Sample => ({ language, info, body }),
);
const prose = readme.replaceAll(/^```.*\n[^]*?^```$/gm, "");
const commands = samples.filter(({ language, info }) => language === "bash" && info === "");

/** The rows of the table below a heading, as their cells. */
function tableUnder(heading: string): string[][] {
  const section = prose.split(/^#+ /m).find((part) => part.startsWith(`${heading}\n`)) ?? "";
  const rows = section.split("\n").filter((line) => line.startsWith("| "));
  return rows.slice(1).map((row) => row.slice(2, -2).split(/ (?<!\\)\| /));
}

const quoted = (markdown: string) => [...markdown.matchAll(/`([^`]+)`/g)].map(([, code = ""]) => code);

describe("what the README says of the sources", () => {
  it("draws exactly the arrows of the state machine", () => {
    const diagram = samples.find(({ body }) => body.startsWith("stateDiagram-v2"))?.body ?? "";
    const drawn = diagram.trim().split("\n").slice(1);
    const arrows = Object.entries(ARROWS).flatMap(([verb, { from, to }]) =>
      (from.length === 0 ? ["[*]"] : from).flatMap((start) => to.map((end) => `${start} --> ${end}: ${verb}`)),
    );
    expect(drawn.map((line) => line.trim()).toSorted()).toEqual(arrows.toSorted());
  });

  it("names only files and folders that exist", () => {
    const paths = quoted(prose).filter((code) => /^(src|test|scripts|bench)\/\S*$/.test(code));
    // A word in capitals stands for any.
    expect(paths.filter((path) => !/[A-Z]{4}/.test(path) && !existsSync(join(root, path)))).toEqual([]);
    expect(paths.length).toBeGreaterThan(10);
  });

  it("names only npm scripts that exist", () => {
    const names = [...readme.matchAll(/npm (?:run )?(start|test|(?<=run )\w+)/g)].map(([, name = ""]) => name);
    expect(names.filter((name) => manifest.scripts[name] === undefined)).toEqual([]);
    expect(manifest.scripts["start"]).toBe("exec node scripts/start.ts");
  });

  it("names only packages that are installed", () => {
    const packages = tableUnder("Packages").flatMap(([names = ""]) => quoted(names));
    const installed = {
      ...manifest.dependencies,
      ...manifest.devDependencies,
      ...tools.dependencies,
      ...nodes.optionalDependencies,
    };
    expect(packages.filter((name) => installed[name] === undefined)).toEqual([]);
    expect(packages).toContain("hono");
  });

  it("names only options that a submission takes", () => {
    const options = tableUnder("Options of a submission").flatMap(([names = ""]) => quoted(names));
    expect(options.filter((name) => !(name in optionsSchema.shape))).toEqual([]);
    expect(options).toContain("delay");
  });
});

describe("what the README has its reader do", () => {
  let copy: string;
  let carrier: Server;
  const takenBack: string[] = [];
  let service: ChildProcess;
  let printed = "";
  let url: string;
  let key: string;
  let api: Api;

  beforeAll(async () => {
    copy = await mkdtemp(join(tmpdir(), "lovage-readme-"));
    carrier = await startCarrier(takenBack);
    const { port } = carrier.address() as AddressInfo;
    await copySources(copy, `http://127.0.0.1:${port}`);
    await copyBuilt(copy);
    service = await start(copy, (line) => (printed += line));
    url = /serves on (\S+)/.exec(printed)?.[1] ?? "";
    key = /^ {2}Key +(\S+)/m.exec(printed)?.[1] ?? "";
    api = apiOf({ url, key });
  });

  afterAll(async () => {
    if (service?.pid !== undefined && service.exitCode === null) {
      const ended = once(service, "exit");
      process.kill(-service.pid, "SIGTERM");
      await ended;
    }
    carrier?.close();
    await rm(copy, { recursive: true, force: true });
  });

  it("type-checks", async () => {
    const { stdout } = await run("node", [join(root, "node_modules/typescript/bin/tsc"), "-p", "."], copy);
    expect(stdout).toBe("");
  });

  it("prints at its start what the README shows, and a command that works as it stands", async () => {
    const shown = samples.find(({ body }) => body.startsWith("Lovage serves on"))?.body ?? "";
    const labels = shown.split("\n").map((line) => line.replace(/http:\S+\/?|Uk7o…/, "").trim());
    for (const label of labels) expect(printed.replaceAll(url, "")).toContain(label.replace(/ {3,}.*/, ""));
    const command = printed.split("\n").find((line) => line.trim().startsWith("curl -s "));
    const { stdout } = await run("bash", ["-c", command ?? "false"], copy);
    expect(JSON.parse(stdout)).toMatchObject({ task: "process_item", state: "queued" });
  });

  it("answers each command as the README says", async () => {
    const outputs = await runAll(commands, copy, url);
    const output = (words: string) => outputs[commands.findIndex(({ body }) => body.includes(words))] ?? "";
    expect(JSON.parse(output("# Submit"))).toMatchObject({ task: "process_item", state: "queued" });
    expect(JSON.parse(output("# Read it"))).toMatchObject({
      state: "succeeded",
      result: { result: "Processed item tea" },
    });
    expect(output("# Follow it")).toMatch(/event: progress\n[^]*event: done\ndata: .*"result":"Processed item coffee"/);
    expect(output("# Cancel it")).toMatch(/"state":"(running|cancelled)".*"state":"cancelled"/);
    expect(new Set(output("# Repeat").match(/(?<="id":")task_\w+/g)).size).toBe(1);
    expect(JSON.parse(output('"greet"'))).toMatchObject({ state: "succeeded", result: "Hello, Ada!" });
    expect(JSON.parse(output("csv.summarize"))).toMatchObject({ state: "succeeded", result: { rows: 2 } });
    expect(JSON.parse(output("/v1/flows"))).toMatchObject({
      state: "succeeded",
      result: { result: "Processed item Processed item jam" },
    });
    expect(output("/signals/")).toMatch(/"accepted":true.*"state":"succeeded".*"labels":\["A-9-new-1","A-9-new-2"\]/s);
    expect(output("parcel.track")).toMatch(/"reasons":.*"state":"succeeded".*"result":\{"at":"Oslo"\}/s);
    expect(JSON.parse(output("/v1/schedules"))).toMatchObject({ id: "nightly", nextRuns: expect.any(Array) });
    expect(JSON.parse(output("/v1/webhooks"))).toMatchObject({ secret: expect.stringMatching(/^whsec_/) });
    expect(JSON.parse(output("/v1/keys"))).toMatchObject({ tenant: "shop", scopes: ["submit", "read"] });
    expect(output("tag.customer=42")).toMatch(/"state":"scheduled".*"items":\[\{.*"lane":"bulk"/);
    expect(JSON.parse(output("/check-task/"))).toMatchObject({ status: expect.stringMatching(/PENDING|STARTED/) });
  });

  it("runs its own task to the end: from the API, as a child, and from the route of its own", async () => {
    const shipped = async () => {
      const tasks = await api.listAll("task=order.ship&state=succeeded");
      return tasks.flatMap((task) => (task.result as { labels: string[] }).labels).toSorted();
    };
    const labels = ["A-7-1", "A-7-2", "A-8-1", "A-8-2", "A-9-new-1", "A-9-new-2"];
    await expect.poll(shipped).toEqual(labels);
  });

  it.each([
    ["425", ["scheduled"], 1, { outcome: "snoozed" }],
    ["429", ["retrying"], 1, { error: { type: "RetryAfterError" } }],
    // Its retries follow soon: whether the poll meets it before, between or after them is the machine's affair.
    ["500", ["retrying", "queued", "running", "failed"], 2, { error: { message: "the carrier answered 500" } }],
    ["422", ["failed"], 1, { error: { type: "NonRetryableError", data: { order: "422" } } }],
  ])("steers its own task as its comments say when the carrier answers %s", async (status, states, count, first) => {
    const { id } = await api.submit("order.ship", { order: status, parcels: 1 });
    const read = async () => (await api.get<TaskResource>(`/v1/tasks/${id}`)).body;
    await expect.poll(async () => (await read()).attempts?.length).toBeGreaterThanOrEqual(count);
    const { state, attempts } = await read();
    expect(states).toContain(state);
    expect(attempts?.[0]).toMatchObject(first);
  });

  it("undoes the steps of its own task that fails, the last one first", async () => {
    const { id } = await api.submit("order.hamper", { orders: ["B-1", "B-2", "422"] });
    const task = await api.waitForEnd(id);
    expect(task).toMatchObject({ state: "failed", error: { message: "the carrier refuses" } });
    expect(task.error?.data).toBeUndefined();
    expect(takenBack).toEqual(["/labels/B-2-1", "/labels/B-1-1"]);
  });

  it("tests its own task", async () => {
    const [file] = samples.filter(({ info }) => info.startsWith("test/")).map(({ info }) => info);
    const vitest = join(root, "node_modules/vitest/vitest.mjs");
    const { stdout } = await run("node", [vitest, "run", file ?? "", "--no-color"], copy);
    expect(stdout).toMatch(/Tests +1 passed/);
  });

  it("is called by the client that it builds", async () => {
    await run("node", ["scripts/build.ts"], copy);
    const typescript = join(root, "node_modules/typescript/bin/tsc");
    const options = [
      "--strict",
      "--noEmit",
      "--skipLibCheck",
      "--target",
      "es2024",
      "--module",
      "nodenext",
      "--types",
      "node",
    ];
    await run("node", [typescript, ...options, "kitchen/brew.ts", "--ignoreConfig"], copy);
    const env = { ...process.env, LOVAGE_URL: url, API_KEY: key };
    const { stdout } = await promisify(execFile)("node", ["kitchen/brew.ts"], { cwd: copy, env });
    expect(stdout).toMatch(/3 of 3\nProcessed item tea\n$/);
  });

  it("lists only operations that its description has", async () => {
    const { body } = await api.get<{ paths: Record<string, Record<string, unknown>> }>("/openapi.json");
    const listed = tableUnder("Operations").flatMap(([names = ""]) => quoted(names));
    const operations = listed.map((name) => /^(GET|POST|PUT|PATCH|DELETE) (\/\S+)$/.exec(name)?.slice(1) ?? [name, ""]);
    expect(
      operations.filter(([method = "", path = ""]) => !(method.toLowerCase() in (body.paths[path] ?? {}))),
    ).toEqual([]);
    expect(operations.length).toBeGreaterThan(10);
  });
});

/** The label of a parcel, or the status that the order is called by; where parcels are; labels that are given back are noted. */
async function startCarrier(takenBack: string[]): Promise<Server> {
  const answer = async (request: IncomingMessage, response: ServerResponse) => {
    if (request.method === "DELETE") {
      takenBack.push(request.url ?? "");
      response.end();
      return;
    }
    if (request.url === "/track") {
      const { labels } = (await json(request)) as { labels: string[] };
      response.end(JSON.stringify(Object.fromEntries(labels.map((label) => [label, "Oslo"]))));
      return;
    }
    const { order, parcel } = (await json(request)) as { order: string; parcel: number };
    response.statusCode = /^\d+$/.test(order) ? Number(order) : 200;
    response.end(response.statusCode === 200 ? `${order}-${parcel}` : JSON.stringify({ order }));
  };
  const server = createServer((request, response) => void answer(request, response));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return server;
}

/** What the service is made of, with the README's own files in it. */
async function copySources(to: string, carrier: string): Promise<void> {
  for (const name of [
    "src",
    "scripts",
    "command",
    "test/tools/package.json",
    "wrangler.toml",
    "tsconfig.json",
    "package.json",
    "package-lock.json",
  ]) {
    await cp(join(root, name), join(to, name), { recursive: true });
  }
  await symlink(join(root, "node_modules"), join(to, "node_modules"));
  for (const { language, info, body } of samples) {
    if (language !== "ts") continue;
    const code = body.replaceAll("https://carrier.example", carrier);
    const added = info.startsWith("append ");
    const path = join(to, info.replace("append ", ""));
    await mkdir(dirname(path), { recursive: true });
    await (added ? appendFile(path, code) : writeFile(path, code));
  }
}

/** What is built already, as if from the copy: only what other projects install is looked at here. */
async function copyBuilt(to: string): Promise<void> {
  for (const name of ["pages", "worker", "config"]) {
    await cp(join(root, "dist", name), join(to, "dist", name), { recursive: true });
    await writeFile(join(to, `dist/.${name}-built`), "");
  }
}

/** As `npm start`, on any free port. */
async function start(cwd: string, heard: (text: string) => void): Promise<ChildProcess> {
  // A test of its own checks the types.
  const child = spawn("node", ["scripts/start.ts", "--no-types"], {
    cwd,
    detached: true,
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, PORT: "0", npm_lifecycle_event: "start" },
  });
  let said = "";
  child.stderr.setEncoding("utf8").on("data", (words: string) => (said += words));
  child.stdout.setEncoding("utf8");
  await new Promise<void>((resolve, reject) => {
    child.once("exit", () => reject(new Error(`it ended before it was ready\n${said}`)));
    child.stdout.on("data", (words: string) => {
      heard(words);
      if (words.includes("Ctrl-C")) resolve();
    });
  });
  return child;
}

const MARK = "--- next sample ---";

/** The outputs of the commands, which share one shell and wait as long as they may. A command that fails, and an answer of 400 or above, rejects. */
async function runAll(all: Sample[], cwd: string, url: string): Promise<string[]> {
  const script = [
    'curl() { command curl --fail-with-body "$@"; }',
    ...all.map(
      ({ body }) =>
        `${body.replaceAll("http://127.0.0.1:8787", url).replaceAll(/wait=\d+/g, "wait=60")}\necho '${MARK}'`,
    ),
  ];
  const { stdout } = await run("bash", ["-euo", "pipefail", "-c", script.join("\n")], cwd);
  return stdout.split(MARK).slice(0, -1);
}

async function run(command: string, args: string[], cwd: string) {
  return promisify(execFile)(command, args, { cwd, maxBuffer: 16_777_216 }).catch(
    (error: Error & { stdout?: string }) => {
      throw new Error(`${error.message}\n${error.stdout ?? ""}`, { cause: error });
    },
  );
}
