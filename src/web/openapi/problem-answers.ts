/** The problems that an operation can answer with, and their responses in the document. */

import { addressOf } from "../../contract/addresses.ts";
import { PROBLEMS, type ProblemName } from "../../core/problem-kinds.ts";
import type { Operation } from "../operation.ts";
import { headersObject, type AnswerHeader } from "./headers.ts";
import { reference, type Json } from "./schema-book.ts";

const HEADERS: Partial<Record<ProblemName, readonly AnswerHeader[]>> = {
  unauthorized: ["WWW-Authenticate"],
  forbidden: ["WWW-Authenticate"],
  "rate-limited": ["Retry-After", "RateLimit", "RateLimit-Policy"],
  "quota-exceeded": ["Retry-After"],
  "lane-draining": ["Retry-After"],
  unavailable: ["Retry-After"],
  "storage-full": ["Retry-After"],
};

/** The operation's own problems, and those that follow from its key, body and query. */
export function problemsOf(operation: Operation): ProblemName[] {
  const names: ProblemName[] = ["invalid-query", ...operation.problems];
  if (operation.scope !== null)
    names.push("unauthorized", "forbidden", "rate-limited", "unavailable", "misconfigured", "migrations-missing");
  if (operation.scope !== null && operation.method !== "get") names.push("storage-full", "seal-key-missing");
  if (operation.body) names.push("invalid-json", "payload-too-large", "unsupported-media-type", "invalid-body");
  if (operation.headers?.["Idempotency-Key"]) names.push("invalid-idempotency-key");
  return [...new Set(names)];
}

/** The document's `components/responses`: operations with the same problems share them. */
export class ProblemBook {
  readonly components: Record<string, Json> = {};

  /** References to the responses with these problems, by status. */
  write(names: readonly ProblemName[]): Record<string, Json> {
    const byStatus = Map.groupBy(names, (name) => PROBLEMS[name].status);
    return Object.fromEntries([...byStatus].map(([status, group]) => [String(status), this.#refer(status, group)]));
  }

  #refer(status: number, names: ProblemName[]): Json {
    const name = names.toSorted().join(".");
    this.components[name] ??= problemResponse(status, names);
    return { $ref: `#/components/responses/${name}` };
  }
}

function problemResponse(status: number, names: readonly ProblemName[]): Json {
  const types = names.map((name) => addressOf(`/problems/${name}`));
  const headers = new Set(names.flatMap((name) => HEADERS[name] ?? []));
  return {
    description: names.map((name) => `\`${name}\`: ${PROBLEMS[name].title}`).join("; "),
    headers: headersObject([...headers]),
    content: {
      "application/problem+json": {
        schema: {
          allOf: [
            reference("Problem"),
            { type: "object", properties: { type: { enum: types }, status: { const: status } } },
          ],
        },
        examples: Object.fromEntries(
          names.map((name) => [name, { summary: PROBLEMS[name].title, value: exampleOf(name) }]),
        ),
      },
    },
  };
}

function exampleOf(name: ProblemName): Json {
  const { status, title, meaning } = PROBLEMS[name];
  return { type: addressOf(`/problems/${name}`), title, status, detail: meaning };
}
