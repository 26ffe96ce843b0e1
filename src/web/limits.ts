/** `/v1/limits`: reads and changes how many tasks may run at once, or start in a time. */

import { z } from "zod";
import { limitListSchema, limitSchema, putLimitSchema, type LimitResource } from "../contract/limit.ts";
import { LIMIT_KINDS, parseLimitId, storedKey, type AskedName } from "../core/limit-name.ts";
import {
  changeSlots,
  changeRate,
  findLimit,
  isLimit,
  listLimits,
  restoreLimit,
  type LimitPlace,
  type LimitReader,
} from "../engine/limits/limits.ts";
import { withChanges } from "../engine/limits/changed.ts";
import { MAX_LIMITS } from "../results/limits/limits.ts";
import { operation } from "./operation.ts";
import { cursorAfter, page, pageQuery, readCursor } from "./paging.ts";
import type { Principal } from "./principal.ts";
import { refuse } from "./problem.ts";

const MAX_PLACES = 10_000;

const NAMES =
  "A limit is called `concurrency::<key>` where submissions bring it (`options.concurrency`), and `concurrency:<task>` or `rate:<task>` where a definition declares it, with `:<key>` where each key has its own. A definition's limit is each tenant's own unless it says `deployment`; the service's own key names another tenant's with `@<tenant>` after the task. In a path it is percent-encoded.";

const OWNERS =
  "Keys of submissions are their tenant's. Definitions belong to the deployment: only the service's own key (`API_KEY`) changes their limits, and it alone sees other tenants' and the keys of those that all tenants share, which come from all tenants' inputs.";

export const listLimitsOperation = operation({
  id: "listLimits",
  method: "get",
  path: "/v1/limits",
  tag: "limits",
  summary: "List limits: those in use, those that were changed, and those of whole tasks",
  description: `${NAMES} ${OWNERS}`,
  scope: "read",
  query: z.strictObject({ kind: z.enum(LIMIT_KINDS).optional(), task: z.string().optional(), ...pageQuery }),
  answers: { 200: { description: "A page of limits", schema: limitListSchema, headers: ["Link"] } },
  problems: ["invalid-cursor", "unavailable"],
  async handle({ c, env, principal, query }) {
    const limit = Math.min(query.limit ?? MAX_LIMITS, MAX_LIMITS);
    const { kind, task } = query;
    const reader = readerOf(principal);
    const limits = await listLimits(env, reader, { kind, task }, readPlace(query.cursor), limit + 1, Date.now());
    const shown = limits.slice(0, limit);
    return page(
      c,
      await withChanges(env, principal.tenant, shown),
      limits.length > limit ? cursorOf(shown.at(-1)!) : null,
    );
  },
});

export const getLimit = operation({
  id: "getLimit",
  method: "get",
  path: "/v1/limits/{id}",
  tag: "limits",
  summary: "Read a limit",
  description: `${NAMES} A key of submissions that no task uses and that was not changed is not there.`,
  scope: "read",
  answers: { 200: { description: "The limit", schema: limitSchema } },
  problems: ["not-found", "unavailable"],
  async handle({ c, env, principal, params }) {
    const reader = readerOf(principal);
    const name = nameOf(params["id"]!);
    const found = (await findLimit(env, reader, name, Date.now())) ?? noSuchLimit();
    const [limit] = await withChanges(env, principal.tenant, [found]);
    return c.json(limit, 200);
  },
});

export const putLimit = operation({
  id: "putLimit",
  method: "put",
  path: "/v1/limits/{id}",
  tag: "limits",
  summary: "Change a limit, whatever code and submissions say",
  description: `At once: where there is room now, waiting tasks start in their order; where there is less, what runs goes on and nothing new starts until there is. Also for a key that no task uses yet. A rate takes \`per\` and, if more than one may come at once after a pause, \`burst\`. ${OWNERS}`,
  scope: "admin",
  audits: "limit.put",
  body: putLimitSchema,
  example: { limit: 5 },
  answers: {
    200: { description: "The limit, changed", schema: limitSchema },
    201: { description: "The limit, for a key that no task uses yet", schema: limitSchema, headers: ["Location"] },
  },
  problems: ["not-found", "unavailable"],
  async handle({ c, env, principal, params, body, audit }) {
    const now = Date.now();
    const reader = readerOf(principal);
    const name = nameOf(params["id"]!);
    const before = await findLimit(env, reader, name, now);
    if (!isLimit(env, reader, name)) noSuchLimit();
    demandOwner(reader, name);
    const entry = audit(params["id"]!, { detail: { ...body } });
    if (name.kind === "concurrency") {
      await changeSlots(env, reader, name, placesOf(body), now, entry);
    } else {
      await changeRate(env, reader, name, rateWordsOf(body), now, entry);
    }
    const found = (await findLimit(env, reader, name, Date.now())) ?? noSuchLimit();
    const after = (await withChanges(env, principal.tenant, [found]))[0]!;
    if (before === null) c.header("Location", `/v1/limits/${encodeURIComponent(after.id)}`);
    return c.json(after, before === null ? 201 : 200);
  },
});

export const deleteLimit = operation({
  id: "deleteLimit",
  method: "delete",
  path: "/v1/limits/{id}",
  tag: "limits",
  summary: "Reset a limit",
  description: "What the code or the latest submission has asked for holds again, at once.",
  scope: "admin",
  audits: "limit.delete",
  answers: { 204: { description: "The limit is that of the code or the latest submission again" } },
  problems: ["not-found", "unavailable"],
  async handle({ c, env, principal, params, audit }) {
    const now = Date.now();
    const reader = readerOf(principal);
    const name = nameOf(params["id"]!);
    if ((await findLimit(env, reader, name, now)) === null) noSuchLimit();
    demandOwner(reader, name);
    await restoreLimit(env, reader, name, now, audit(params["id"]!));
    return c.body(null, 204);
  },
});

function readerOf({ tenant, isServiceKey }: Principal): LimitReader {
  return { tenant, isOperator: isServiceKey };
}

function nameOf(id: string): AskedName {
  return parseLimitId(id) ?? noSuchLimit();
}

function demandOwner({ isOperator }: LimitReader, { task }: AskedName): void {
  if (task === null || isOperator) return;
  refuse("forbidden", "The limits of a definition are the deployment's: only the service's own key changes them.");
}

type Body = z.output<typeof putLimitSchema>;

function placesOf({ limit, ...rest }: Body): number {
  const faults = Object.keys(rest).map((member) => ({ pointer: `/${member}`, detail: "belongs to a rate" }));
  if (limit > MAX_PLACES) faults.push({ pointer: "/limit", detail: `is more than ${MAX_PLACES}` });
  if (faults.length > 0) refuse("invalid-body", "This is not a valid concurrency limit.", faults);
  return limit;
}

function rateWordsOf({ limit, per, burst = 1 }: Body) {
  if (per !== undefined) return { limit, per, burst };
  return refuse("invalid-body", "A rate is so many starts in a time.", [{ pointer: "/per", detail: "is missing" }]);
}

// Keys hold any text, and a cursor's text is ASCII.
function cursorOf(limit: LimitResource): string {
  return cursorAfter(encodeURIComponent(`${limit.kind}:${storedKey(limit)}`));
}

function readPlace(cursor: string | undefined): LimitPlace | null {
  let place: LimitPlace | null = null;
  readCursor(cursor, (text) => {
    const [, kind, stored] = /^(concurrency|rate):((?:task|tenant):.*)$/s.exec(decodeURIComponent(text)) ?? [];
    if (kind === undefined) return false;
    place = { kind: kind as LimitPlace["kind"], stored: stored! };
    return true;
  });
  return place;
}

function noSuchLimit(): never {
  refuse("not-found", "There is no such limit.");
}
