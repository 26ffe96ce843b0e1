/** `lovage/client`: the typed client, for browsers, Node and Workers, and the builders of flows. */

export { chain, chord, group, nodesOf } from "../contract/build-flow.ts";
export { dag } from "../contract/flow-dag.ts";
export type { FlowNode, GraphNode } from "../contract/flow-node.ts";
export { from, previous } from "../contract/flow-reference.ts";
export type { FlowFailure, FlowOf } from "../contract/typed-flow.ts";
export type { InputOf, OutputOf, TaskOf, Tasks } from "../contract/typed-task.ts";
export type { CallOptions, ClientOptions } from "./connection.ts";
export { createClient, type Client } from "./create-client.ts";
export {
  FlowEndedError,
  TaskCancelledError,
  TaskEndedError,
  TaskExpiredError,
  TaskFailedError,
  WaitTimeoutError,
} from "./ended-errors.ts";
export type { FeedFrame } from "../contract/feed.ts";
export type { FlowEvent, FollowOptions, TaskEvent } from "./events.ts";
export type { FlowFilter, FlowMember } from "./flows.ts";
export type { Page, Pages } from "./pages.ts";
export {
  ConflictError,
  ConnectionError,
  InvalidInputError,
  LovageProblem,
  NotFoundError,
  RateLimitedError,
  UnauthorizedError,
} from "./problem-errors.ts";
export type {
  BatchItem,
  BulkFilter,
  RunOptions,
  Submission,
  SubmitOptions,
  TaskFilter,
  TaskRef,
} from "./task-types.ts";
export { verifyWebhook, WebhookVerificationError, type WebhookMessage } from "./verify-webhook.ts";
export type { WaitOptions } from "./wait.ts";
