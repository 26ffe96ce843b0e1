/**
 * An operation of the API as data: the route is mounted from it, the request is checked by it, and the
 * OpenAPI document is written from it, so that the document matches the behaviour.
 */

import { z } from "zod";
import type { AuditAction } from "../contract/audit.ts";
import type { Scope } from "../contract/scope.ts";
import type { Loss } from "../core/json-text.ts";
import { pointerTo } from "../core/path.ts";
import type { ProblemName } from "../core/problem-kinds.ts";
import { MAX_FAULTS, ProblemError, problem, type Problem } from "../core/problems.ts";
import type { LinkUse } from "../engine/keys/links.ts";
import { auditOf, type Changed } from "../engine/audit.ts";
import type { Audit } from "../results/audit.ts";
import type { App, AppContext } from "./app-context.ts";
import { fit, readJson, type Read } from "./body.ts";
import type { AnswerHeader } from "./openapi/headers.ts";
import {
  actorOf,
  authenticate,
  authenticateFor,
  demand,
  demandDeployment,
  NOBODY,
  type Principal,
} from "./principal.ts";
import { readQuery } from "./request.ts";

/** The arguments of a handler, all checked. */
export interface Call<Query, Body> {
  c: AppContext;
  env: Env;
  principal: Principal;
  /** Segments of the path by their names. */
  params: Record<string, string>;
  query: Query;
  body: Body;
  /** The body before parsing: durations and instants as the caller wrote them. */
  raw: unknown;
  /** What was lost when the body was read; empty unless the operation has `tellsLosses`. */
  losses: Loss[];
  /** The entry of the audit log for what this call changes: of the caller's tenant, unless another is named. */
  audit: (target: string | null, more?: Partial<Changed>) => Audit;
}

export interface Answer {
  description: string;
  /** The schema of the JSON body; an answer without it has no body, or only those of `also`. */
  schema?: z.ZodType;
  /** Other media types of the answer, each with a description of the body. */
  also?: Record<string, string>;
  /** Headers that it can carry, beyond those of every answer. */
  headers?: AnswerHeader[];
}

export interface Operation<Q extends z.ZodType = z.ZodType, B extends z.ZodType = z.ZodType> {
  /** The document's `operationId`. */
  id: string;
  method: "get" | "post" | "put" | "patch" | "delete";
  /** With `{name}` segments, as OpenAPI writes them. */
  path: string;
  tag: string;
  summary: string;
  description?: string;
  /** `any`: every key may call it. Null: no key is needed. */
  scope: Scope | "any" | null;
  /** It changes the whole deployment, so only the service's own key may call it. */
  deployment?: true;
  /** A capability token of this use, for the task `{id}`, is accepted instead of a key. */
  link?: LinkUse;
  /** The action for the audit log, where it changes something that exists, or creates something other than tasks or flows. */
  audits?: AuditAction;
  /** Headers that it reads, beyond the usual ones. */
  headers?: Record<string, string>;
  query?: Q;
  /** Parameters whose names are the caller's choice. */
  openQuery?: { name: string; pattern: string; description: string };
  /** No schema: the operation takes no body. */
  body?: B;
  /** The handler reports losses itself; otherwise a body with losses refuses the whole request. */
  tellsLosses?: true;
  /** The body's schema in the document, where the handler checks the body itself. */
  describedBody?: z.ZodType;
  /** A body that fits, for the document. */
  example?: unknown;
  answers: Record<number, Answer>;
  /** Its own problems, beyond those that follow from keys, bodies and parameters. */
  problems: ProblemName[];
  handle(call: Call<z.output<Q>, z.output<B>>): Promise<Response> | Response;
}

/** Defines an operation, and infers its handler's types from the schemas. */
export function operation<Q extends z.ZodType = z.ZodObject, B extends z.ZodType = z.ZodUndefined>(
  definition: Operation<Q, B>,
): Operation {
  return definition;
}

const NO_QUERY = z.strictObject({});

export function mount(app: App, operations: readonly Operation[]): void {
  for (const each of operations) {
    const path = each.path.replaceAll(/\{(\w+)\}/g, ":$1");
    const query = queryOf(each);
    app.on(each.method.toUpperCase(), path, (c) => answer(each, query, c));
  }
}

async function answer(definition: Operation, querySchema: z.ZodType, c: AppContext): Promise<Response> {
  const params = c.req.param() as Record<string, string>;
  const principal = await identify(definition, c, params);
  const query = readQuery(c, querySchema);
  const { value: raw, losses } = definition.body === undefined ? NO_BODY : await readJson(c);
  if (losses.length > 0 && !definition.tellsLosses) refuseLosses(definition, losses);
  const body = definition.body === undefined ? undefined : fit(definition.body, raw);
  const audit = (target: string | null, more: Partial<Changed> = {}) => {
    if (definition.audits === undefined) throw new TypeError(`${definition.id} says that it changes nothing`);
    const changed = { tenant: principal.tenant, target, ...more };
    return auditOf(actorOf(c, principal), definition.audits, changed, Date.now());
  };
  return definition.handle({ c, env: c.env, principal, params, query, body, raw, losses, audit });
}

const NO_BODY: Read = { value: undefined, losses: [] };

function refuseLosses({ problems }: Operation, losses: Loss[]): never {
  throw new ProblemError(lossProblem(losses, problems.includes("invalid-input")));
}

/** The problem of a body with losses. `hasInput`: it may hold a task's input, for which there is a problem of its own. */
export function lossProblem(losses: readonly Loss[], hasInput = true): Problem {
  const found = losses.slice(0, MAX_FAULTS + 1).map(({ path, detail }) => ({ pointer: pointerTo(path), detail }));
  const isInput = hasInput && found.every(({ pointer }) => /^\/input(\/|$)/.test(pointer));
  const detail = "The body has values that JSON parsers would silently change or lose.";
  return problem(isInput ? "invalid-input" : "invalid-body", detail, found);
}

async function identify(definition: Operation, c: AppContext, params: Record<string, string>): Promise<Principal> {
  if (definition.scope === null) return NOBODY;
  const byLink = c.req.query("token") !== undefined && c.req.header("authorization") === undefined;
  const scope = definition.scope === "any" ? null : definition.scope;
  if (definition.link || byLink) return authenticateFor(c, params["id"] ?? "", definition.link, scope ?? "read");
  const principal = await authenticate(c);
  if (scope !== null) demand(principal, scope);
  if (definition.deployment) demandDeployment(principal);
  return principal;
}

/** The schema of the query, with the token where one is accepted. */
export function queryOf(definition: Operation): z.ZodType {
  const query = definition.query ?? NO_QUERY;
  if (!definition.link || !(query instanceof z.ZodObject)) return query;
  return query.extend({ token: z.string().optional() });
}
