/** `dist/worker/index.js`, the bundle that is deployed. */
declare module "built-worker" {
  type Handlers = {
    fetch(request: Request, env: Env, ctx: ExecutionContext): Response | Promise<Response>;
    queue(batch: MessageBatch, env: Env, ctx: ExecutionContext): Promise<void>;
    scheduled(event: ScheduledController, env: Env, ctx: ExecutionContext): Promise<void>;
  };
  type ObjectClass = new (ctx: DurableObjectState, env: Env) => { alarm?(): Promise<void> };

  const worker: Handlers;
  export default worker;
  export const Clock: ObjectClass;
  export const ProgressObject: ObjectClass;
  export const AttemptObject: ObjectClass;
  export const RateObject: ObjectClass;
}
