/** The list of operations, and the app that serves them. */

import { Hono } from "hono";
import { cors } from "hono/cors";
import { problem } from "../core/problems.ts";
import type { App, AppContext } from "./app-context.ts";
import { listAuditOperation } from "./audit.ts";
import {
  cancelFlowOperation,
  deleteFlowOperation,
  getFlow,
  getFlowEvents,
  postFlow,
  retryFlowOperation,
} from "./flows/operations.ts";
import { getFeed } from "./feed.ts";
import { ignoreErrorOperation, listErrors, resolveErrorOperation } from "./errors.ts";
import { listFlowsOperation } from "./flows/list.ts";
import { getHealthReport } from "./health-report.ts";
import { getHealth } from "./health.ts";
import { createKeyOperation, getKey, getOwnKey, listKeysOperation, revokeKeyOperation } from "./keys.ts";
import { allowedOrigins, EXPOSED, withCommonHeaders, type Answering } from "./every-answer.ts";
import { describeOperation } from "./openapi/serve.ts";
import { drainLaneOperation, listLanes, pauseLaneOperation, resumeLaneOperation } from "./lanes.ts";
import { listLinkKeys, rotateLinkKeyOperation } from "./link-keys.ts";
import { deleteLimit, getLimit, listLimitsOperation, putLimit } from "./limits.ts";
import { getMetrics } from "./metrics.ts";
import { mount, type Operation } from "./operation.ts";
import { findPage, PAGE_METHODS } from "./pages.ts";
import { authenticate } from "./principal.ts";
import { renderError, renderProblem } from "./problem.ts";
import { getProblem } from "./problem-pages.ts";
import { pauseScheduleOperation, resumeScheduleOperation, runScheduleOperation } from "./schedules/control.ts";
import {
  deleteScheduleOperation,
  getSchedule,
  listSchedulesOperation,
  putScheduleOperation,
} from "./schedules/resource.ts";
import { getSeries, getStats } from "./stats.ts";
import { bulkCancel, bulkDelete, bulkRetry } from "./tasks/bulk.ts";
import { changeTaskOperation, pauseTask, resumeTask, runTaskNow } from "./tasks/change.ts";
import { cancelTask, deleteTask, retryTask } from "./tasks/control.ts";
import { getEvents } from "./tasks/events.ts";
import { explainTask } from "./tasks/explain.ts";
import { getTask, listTasksOperation } from "./tasks/read.ts";
import { sendSignal } from "./tasks/signals.ts";
import { listTaskDeliveries } from "./tasks/deliveries.ts";
import { listSteps } from "./tasks/steps.ts";
import { submitBatch, submitTask } from "./tasks/submit.ts";
import { listWaitsOperation } from "./tasks/waits.ts";
import {
  listDeliveriesOperation,
  replayDeliveries,
  replayDelivery,
  testWebhookOperation,
} from "./webhooks/deliveries.ts";
import {
  changeWebhookOperation,
  createWebhook,
  deleteWebhookOperation,
  getDefaultWebhook,
  getWebhook,
  listWebhooksOperation,
  rotateWebhook,
} from "./webhooks/endpoints.ts";

/** Every operation of the API. */
export const operations: readonly Operation[] = [
  submitTask,
  submitBatch,
  listTasksOperation,
  bulkCancel,
  bulkRetry,
  bulkDelete,
  getTask,
  getEvents,
  listSteps,
  listTaskDeliveries,
  explainTask,
  cancelTask,
  retryTask,
  changeTaskOperation,
  runTaskNow,
  pauseTask,
  resumeTask,
  deleteTask,
  sendSignal,
  listWaitsOperation,
  postFlow,
  listFlowsOperation,
  getFlow,
  getFlowEvents,
  cancelFlowOperation,
  retryFlowOperation,
  deleteFlowOperation,
  putScheduleOperation,
  listSchedulesOperation,
  getSchedule,
  deleteScheduleOperation,
  pauseScheduleOperation,
  resumeScheduleOperation,
  runScheduleOperation,
  listLanes,
  pauseLaneOperation,
  drainLaneOperation,
  resumeLaneOperation,
  listLimitsOperation,
  getLimit,
  putLimit,
  deleteLimit,
  createKeyOperation,
  listKeysOperation,
  getOwnKey,
  getKey,
  revokeKeyOperation,
  listLinkKeys,
  rotateLinkKeyOperation,
  createWebhook,
  listWebhooksOperation,
  getDefaultWebhook,
  getWebhook,
  changeWebhookOperation,
  deleteWebhookOperation,
  rotateWebhook,
  listDeliveriesOperation,
  replayDelivery,
  replayDeliveries,
  testWebhookOperation,
  listAuditOperation,
  listErrors,
  resolveErrorOperation,
  ignoreErrorOperation,
  getStats,
  getFeed,
  getSeries,
  getHealthReport,
  getMetrics,
  getHealth,
  describeOperation(() => operations),
  getProblem,
];

export interface WebNode extends Answering {
  /** The methods that the operations and routes at this path accept. */
  methodsAt(pathname: string): string[];
}

/** The web node: Lovage's own operations and pages, and the application's routes beside them. */
export function createApp(routes?: Hono<{ Bindings: Env }>): WebNode {
  const app: App = new Hono<{ Bindings: Env }>();
  app.options("*", (c) => answerOptions(app, c));
  mount(app, operations);
  if (routes) app.route("/", routes);
  app.notFound((c) => notFound(app, c as AppContext));
  app.onError((error, c) => renderError(error, c));
  return { ...withCommonHeaders(app), methodsAt: (pathname) => methodsAt(app, pathname) };
}

const preflight = cors({
  origin: (origin, c: AppContext) => (allowedOrigins(c.env).includes(origin) ? origin : null),
  exposeHeaders: EXPOSED,
  maxAge: 600,
});

/** Answers `OPTIONS`: the methods of an address, and the origins that may call it. */
async function answerOptions(app: App, c: AppContext): Promise<Response> {
  const answer = (await preflight(c, async () => {})) as Response;
  const methods = methodsAt(app, new URL(c.req.url).pathname);
  if (methods.length > 0) answer.headers.set("Allow", [...methods, "OPTIONS"].join(", "));
  return answer;
}

/** Answers an address without an operation: a page, 405 or 404. Under `/v1` the caller needs a key for that. */
async function notFound(app: App, c: AppContext): Promise<Response> {
  const { pathname } = new URL(c.req.url);
  if (pathname.startsWith("/v1/") || pathname === "/v1") await authenticate(c);
  const methods = methodsAt(app, pathname);
  if (methods.length > 0) return refuseMethod(c, methods);
  const page = await findPage(c);
  if (page === null) return renderProblem(c, problem("not-found", nothingAt(pathname)));
  return PAGE_METHODS.includes(c.req.method) ? page : refuseMethod(c, PAGE_METHODS);
}

function refuseMethod(c: AppContext, methods: string[]): Response {
  const detail = `Use ${methods.join(" or ")} here.`;
  return renderProblem(c, problem("method-not-allowed", detail), { Allow: methods.join(", ") });
}

function nothingAt(pathname: string): string {
  return pathname === "/"
    ? 'The demo page is switched off here; PUBLIC_DEMO = "1" switches it on. The API is described at /docs.'
    : "There is nothing at this address.";
}

function methodsAt(app: App, pathname: string): string[] {
  const methods = new Set<string>();
  for (const route of app.routes) {
    if (route.method === "ALL" || route.path.includes("*")) continue;
    const pattern = route.path.replaceAll(/[.+?^${}()|[\]\\]/g, "\\$&").replaceAll(/:\w+/g, "[^/]+");
    if (new RegExp(`^${pattern}$`).test(pathname)) methods.add(route.method);
  }
  if (methods.has("GET")) methods.add("HEAD");
  return [...methods].toSorted();
}
