/** A progress object that serves the feed of a tenant instead of a task: its name says so. */

const PREFIX = "feed:";

/** The name of the object of this tenant's feed. */
export function feedName(tenant: string): string {
  return PREFIX + tenant;
}

/** The tenant whose feed the object of this name serves; null where it is a task's or a flow's. */
export function tenantOfFeed(name: string | undefined): string | null {
  return name?.startsWith(PREFIX) ? name.slice(PREFIX.length) : null;
}

/** What the object of a feed does instead of the work of a task's object. */
export interface FeedRoom {
  /** A WebSocket for a listener: it gets every frame. */
  listen(): Promise<Response>;
  alarm(): Promise<void>;
}
