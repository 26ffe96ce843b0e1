/** The bindings of wrangler.toml, as the code sees them. */
interface Env {
  DB: D1Database;
  LANE_HIGH: Queue;
  LANE_DEFAULT: Queue;
  LANE_BULK: Queue;
  LANE_LONG: Queue;
  /** The turns of each lane's portions; see `engine/lanes/turns.ts`. */
  TURNS_HIGH: Queue;
  TURNS_DEFAULT: Queue;
  TURNS_BULK: Queue;
  TURNS_LONG: Queue;
  PROGRESS: DurableObjectNamespace<import("./progress/object.ts").ProgressObject>;
  CLOCK: DurableObjectNamespace<import("./clock/object.ts").Clock>;
  ATTEMPTS: DurableObjectNamespace<import("./worker/attempt-object.ts").AttemptObject>;
  RATES: DurableObjectNamespace<import("./worker/rate-object.ts").RateObject>;
  /** The pages; without it there are none. */
  ASSETS?: Fetcher;
  /** Which version of the Worker this is; without it no deployment is marked in the figures over time. */
  CF_VERSION_METADATA?: WorkerVersionMetadata;
  /** Limits the requests to a deployment's public demo routes; see `app/routes.ts`. */
  DEMO_LIMIT?: RateLimit;
  /** Counts the requests of the keys that were created with `rateLimited`. */
  KEY_LIMIT?: RateLimit;
  /** The service's own key: every scope, any tenant. Without it only stored keys are accepted. */
  API_KEY?: string;
  /**
   * The keys that sign links, 32 characters or more each, separated by commas: the first signs, and links that the others signed
   * stay valid. Without it the clock keeps random keys.
   */
  LINK_KEY?: string;
  /** Seals what is secret: `<id>:<base64 of 32 bytes>`, several with commas between them; see `engine/sealing/key.ts`. */
  SEAL_KEY?: string;
  /** `"1"`: the demo page's two routes need no key. */
  PUBLIC_DEMO?: string;
  /** `"1"`: the fixture tasks exist, and webhooks and `csv.*` may have loopback targets. */
  FIXTURES?: string;
  /** `"1"`: every task and webhook may have loopback targets. */
  ALLOW_LOOPBACK?: string;
  /** JSON: how much a tenant may have; see `core/quotas.ts`. */
  QUOTAS?: string;
  /** The quota on tasks where `QUOTAS` does not name one. */
  MAX_LIVE_TASKS?: string;
  /** JSON: the weights of tenants in a crowded lane, such as `{"acme": 4}`; 1 for those that are not named. */
  TENANT_WEIGHTS?: string;
  /** How large the database may become, in bytes; empty: 10 GB, D1's limit on the paid plan. */
  D1_MAX_BYTES?: string;
  /** How long entries of the audit log are kept, a duration such as `"90d"`; empty: 90 days. */
  AUDIT_RETENTION?: string;
  /** Comma-separated origins that browsers may call from. */
  ALLOW_ORIGINS?: string;
  /** Set on a developer's machine: comma-separated names that it answers to, beside loopback's. Without it any name is answered. */
  ALLOW_HOSTS?: string;
  /** Where the service is reached, such as `https://tasks.example.com`; callback addresses begin with it. */
  PUBLIC_URL?: string;
  /** Where the database is, such as `"weur"`: objects are made there too. Empty: near their first caller. */
  LOCATION?: string;
  /** `"free"`: the deployment runs on the free plan; see `core/plan.ts`. */
  PLAN?: string;
  /** `"1"`: the console shows each attempt with its errors and logs; see `worker/narrate.ts`. Never in a deployment. */
  NARRATE?: string;
  /** `"1"`: this process runs other code than the one before it, which it replaces on a developer's machine. */
  SWAP?: string;
  /** When this process started, in ms since the epoch; set where one process is the whole system (`npm run serve`). */
  BOOT_AT?: string;
}

declare namespace Cloudflare {
  interface Env extends globalThis.Env {}
}

/** A part of Node.js that the flag `nodejs_compat` adds to the platform. */
declare module "node:zlib" {
  export function crc32(data: string): number;
}
