/** What an application imports: what it defines tasks with, what its routes call, and what its Worker exports. */

export * from "./definitions.ts";

export { createLovage } from "./create-lovage.ts";
export type { Lovage, LovageOptions, OtherHandlers } from "./create-lovage.ts";
export type { Application } from "./engine/registry.ts";

export { getTask, submitFlow, submitTask } from "./engine/call.ts";
export type { Caller } from "./engine/call.ts";
export { isTaskId } from "./engine/ids.ts";
export { LINK_TTL, signLinks, SYSTEM } from "./engine/keys/links.ts";

export { AttemptObject, Clock, ProgressObject, RateObject } from "./objects.ts";
