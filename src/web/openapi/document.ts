/** The OpenAPI 3.1 document: https://spec.openapis.org/oas/v3.1.1.html */

import { addressOf } from "../../contract/addresses.ts";
import { problemSchema } from "../../contract/problem.ts";
import type { TaskDefinition } from "../../core/task.ts";
import type { Operation } from "../operation.ts";
import { headerComponents } from "./headers.ts";
import { operationObject } from "./operation-object.ts";
import { ProblemBook } from "./problem-answers.ts";
import { SchemaBook, type Json } from "./schema-book.ts";
import { writeTasks } from "./task-schemas.ts";
import { webhooksObject } from "./webhooks.ts";

/** The version of the package; the version of the contract is in the addresses. */
const VERSION = "0.2.0";

const DESCRIPTION = `Asynchronous tasks on Cloudflare Workers: a submission is answered at once, and the work goes on behind the answer, durably.

- **Keys.** \`Authorization: Bearer <key>\`. A key has scopes and belongs to a tenant; what belongs to another tenant is 404.
- **Errors** are problem details (RFC 9457). The \`type\` of each is an address of this service that explains it.
- **Safe repetition.** With an \`Idempotency-Key\`, repeating a submission makes nothing twice for 24 hours.
- **Durations** are integer milliseconds or texts such as \`"30s"\`; instants are ISO 8601, UTC.
- **Every answer** carries a \`Request-Id\`; name it when you report a fault.`;

const TAGS: Record<string, string> = {
  tasks: "Submit work, follow it, and steer it.",
  flows: "Graphs of tasks: chains, groups, chords and more.",
  schedules: "Tasks that are submitted by the calendar or at an interval.",
  lanes: "The queues that tasks run on.",
  limits: "How many tasks run at once, and how many start in a time.",
  keys: "Who may call, and what they may do.",
  webhooks: "Who is told when tasks end.",
  operations: "How the service is doing.",
  reference: "What describes the service itself.",
};

/** The document for these operations and tasks. */
export function describe(operations: readonly Operation[], definitions: readonly TaskDefinition[]): Json {
  const book = new SchemaBook();
  const problems = new ProblemBook();
  book.write(problemSchema, "output");
  const paths: Record<string, Record<string, Json>> = {};
  for (const operation of operations) {
    (paths[operation.path] ??= {})[operation.method] = operationObject(book, problems, operation);
  }
  writeTasks(book, definitions);
  const webhooks = webhooksObject(book);
  const tags = new Set([...operations.map((operation) => operation.tag), "webhooks"]);
  return {
    openapi: "3.1.0",
    info: {
      title: "Lovage",
      version: VERSION,
      description: DESCRIPTION,
      license: { name: "MIT", identifier: "MIT" },
    },
    servers: [{ url: addressOf("/"), description: "This service" }],
    tags: [...tags].map((name) => ({ name, description: TAGS[name] ?? name })),
    paths,
    webhooks,
    components: {
      schemas: Object.fromEntries(Object.entries(book.components).toSorted(([a], [b]) => (a < b ? -1 : 1))),
      responses: problems.components,
      headers: headerComponents(),
      securitySchemes: {
        key: { type: "http", scheme: "bearer", description: "A key: the service's own, or one of `POST /v1/keys`" },
        link: {
          type: "apiKey",
          in: "query",
          name: "token",
          description: "The token of a signed link: one task, one use, for a time",
        },
      },
    },
  };
}
