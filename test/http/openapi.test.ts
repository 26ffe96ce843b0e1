/** The OpenAPI document, read by others: a linter, a generator and the client that it generates. */
import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { PROBLEMS } from "../../src/core/problem-kinds.ts";
import { operationsOf, readDocument, type Document } from "./document.ts";
import { shareServer, type SharedServer } from "./shared-server.ts";

const run = promisify(execFile);
const root = join(import.meta.dirname, "../..");
const binOf = (name: string, file: string) =>
  join(dirname(createRequire(import.meta.url).resolve(`${name}/package.json`)), file);

/** What a user writes with nothing but the generated types: it compiles only if the task's name decides the input and the result. */
const CLIENT = `
import createClient from "openapi-fetch";
import type { components, paths } from "./schema.d.ts";

const [baseUrl, key] = process.argv.slice(2);
const client = createClient<paths>({ baseUrl: baseUrl!, headers: { Authorization: \`Bearer \${key}\` } });

const submission: components["schemas"]["Submission"] = { task: "test.add", input: { x: 19, y: 23 } };
const { data, error, response } = await client.POST("/v1/tasks", {
  params: { header: { Prefer: "wait=20" } },
  body: submission,
});
if (error) throw new Error(error.detail);
if (response.status !== 200 || data.task !== "test.add") throw new Error(\`answered \${response.status}\`);
const sum: number | null = data.result;

// @ts-expect-error no task has this name
const unknown: components["schemas"]["Submission"] = { task: "test.ad", input: { x: 19, y: 23 } };
// @ts-expect-error the input is another task's
const wrong: components["schemas"]["Submission"] = { task: "test.add", input: { values: [1] } };
// @ts-expect-error the result is a number
const text: string | null = data.result;
void [unknown, wrong, text];

const { data: read } = await client.GET("/v1/tasks/{id}", { params: { path: { id: data.id } } });
if (read?.state !== "succeeded") throw new Error("it is " + read?.state);
const { error: missing } = await client.GET("/v1/tasks/{id}", { params: { path: { id: "nobody" } } });
if (missing?.status !== 404) throw new Error("somebody is called nobody");
const { data: page } = await client.GET("/v1/tasks", { params: { query: { state: ["succeeded"], limit: 1 } } });
console.log(JSON.stringify({ sum, listed: page?.items[0]?.id === data.id }));
`;

let server: SharedServer;
let folder: string;
let document: Document;

beforeAll(async () => {
  server = await shareServer();
  // Below the project, so that what is generated finds its packages.
  folder = await mkdtemp(join(root, "dist/openapi-"));
  document = await readDocument(server.url);
  await writeFile(join(folder, "openapi.json"), JSON.stringify(document));
});

afterAll(async () => {
  await Promise.all([server?.stop(), folder && rm(folder, { recursive: true })]);
});

describe("the document", () => {
  it("passes redocly's recommended rules without an error or a warning", async () => {
    const cli = binOf("@redocly/cli", "bin/cli.js");
    const env = { ...process.env, REDOCLY_TELEMETRY: "off", REDOCLY_SUPPRESS_UPDATE_NOTICE: "true" };
    const { stdout } = await run("node", [cli, "lint", "openapi.json", "--format=json"], { cwd: folder, env });
    expect(JSON.parse(stdout)).toMatchObject({ totals: { errors: 0, warnings: 0 }, problems: [] });
  });

  it("has the version of the package, and a sentence for each of its chapters", async () => {
    const file = join(import.meta.dirname, "../../package.json");
    const { version } = JSON.parse(await readFile(file, "utf8")) as { version: string };
    const { info, tags } = JSON.parse(await readFile(join(folder, "openapi.json"), "utf8")) as {
      info: { version: string };
      tags: { name: string; description: string }[];
    };

    expect(info.version).toBe(version);
    expect(tags.filter(({ name, description }) => name === description)).toEqual([]);
  });

  it("becomes a client by openapi-typescript and openapi-fetch that compiles strictly, submits and waits", async () => {
    const generator = binOf("openapi-typescript", "bin/cli.js");
    const older = join(import.meta.dirname, "older-typescript.mjs");
    await run("node", ["--import", older, generator, "openapi.json", "-o", "schema.d.ts"], { cwd: folder });
    await writeFile(join(folder, "client.ts"), CLIENT);
    const options = {
      compilerOptions: {
        strict: true,
        noUncheckedIndexedAccess: true,
        noEmit: true,
        target: "es2024",
        module: "nodenext",
        types: ["node"],
        lib: ["esnext", "dom"],
        allowImportingTsExtensions: true,
        skipLibCheck: false,
      },
      files: ["client.ts"],
    };
    await writeFile(join(folder, "tsconfig.json"), JSON.stringify(options));
    await run("node", [binOf("typescript", "bin/tsc"), "-p", folder]).catch((error: { stdout: string }) => {
      throw new Error(`the client does not compile:\n${error.stdout}`);
    });
    const { stdout } = await run("node", [join(folder, "client.ts"), server.url, server.key]);
    expect(JSON.parse(stdout)).toEqual({ sum: 42, listed: true });
  });

  it("tells apart the submission and the result of every registered task", () => {
    const { schemas } = document.components;
    for (const name of ["process_item", "csv.summarize", "http.request", "test.add"]) {
      expect(schemas["Submission"]).toMatchObject({
        discriminator: { propertyName: "task", mapping: { [name]: `#/components/schemas/Submission.${name}` } },
      });
      expect(schemas[`Submission.${name}`]).toMatchObject({ properties: { task: { const: name } } });
      expect(schemas[`Result.${name}`]).toBeDefined();
    }
  });

  it("gives every operation a summary, the scope it needs, and the problem types of every refusal", () => {
    const wanting = operationsOf(document).filter((operation) => {
      const { summary, security, requestBody, responses } = operation;
      const wanted = ["400"];
      if (security.length > 0) wanted.push("401", "403", "429", "503");
      if (requestBody) wanted.push("413", "415", "422");
      return !summary || wanted.some((status) => !(status in responses));
    });
    expect(wanting.map((operation) => operation.operationId)).toEqual([]);
    for (const { content } of Object.values(document.components.responses)) {
      const types = { properties: { type: { enum: expect.any(Array) as unknown[] } } };
      expect(content).toMatchObject({ "application/problem+json": { schema: { allOf: [{}, types] } } });
    }
  });

  it("describes what is sent to webhooks", () => {
    expect(Object.keys(document.webhooks).toSorted()).toEqual([
      "alert.backlog-old",
      "alert.errors-rising",
      "alert.lane-stalled",
      "alert.schedule-missed",
      "alert.storage",
      "task.cancelled",
      "task.expired",
      "task.failed",
      "task.succeeded",
    ]);
  });

  it("is not sent again to a client that has it", async () => {
    const first = await fetch(`${server.url}/openapi.json`);
    const etag = first.headers.get("etag")!;
    const second = await fetch(`${server.url}/openapi.json`, { headers: { "if-none-match": etag } });
    expect([first.status, second.status, await second.text()]).toEqual([200, 304, ""]);
  });
});

describe("the page of every problem", () => {
  it("explains it, as JSON to a program and as HTML to a browser", async () => {
    for (const [name, { title, status }] of Object.entries(PROBLEMS)) {
      const address = `${server.url}/problems/${name}`;
      const json: unknown = await (await fetch(address)).json();
      const words = expect.stringMatching(/^.{30,}[.]$/) as string;
      expect(json).toEqual({ type: `/problems/${name}`, title, status, meaning: words, remedy: words });
      const page = await fetch(address, { headers: { accept: "text/html,application/xhtml+xml,*/*;q=0.8" } });
      expect(page.headers.get("content-type")).toContain("text/html");
      expect(page.headers.get("content-security-policy")).not.toContain("unsafe");
      expect(await page.text()).toContain(`problem <code>${name}</code>`);
    }
  });

  it.each([
    ["Text/HTML", "text/html"],
    ["text/html;q=0, */*", "application/json"],
    ["application/json;q=0.1, text/*;q=0.2", "text/html"],
    ["image/png", "application/json"],
  ])("is %s as %s", async (accept, type) => {
    const answer = await fetch(`${server.url}/problems/conflict`, { headers: { accept } });
    expect(answer.headers.get("content-type")?.split(";")[0]).toBe(type);
    expect(answer.headers.get("vary")).toMatch(/\baccept\b/i);
  });

  it("is not there for a name that no problem has, and repeats nothing of it", async () => {
    for (const name of ["nothing", "constructor", "__proto__", "%3Cscript%3Ealert(1)%3C%2Fscript%3E"]) {
      const answer = await fetch(`${server.url}/problems/${name}`, { headers: { accept: "text/html" } });
      expect([answer.status, answer.headers.get("content-type")]).toEqual([404, "application/problem+json"]);
      expect(await answer.text()).not.toContain("script");
    }
  });
});
