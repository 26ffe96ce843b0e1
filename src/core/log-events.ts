/**
 * Every line that Lovage logs. `docs/events.md` is made from this catalogue by `node scripts/log-events.ts`.
 *
 * A line holds ids, names, numbers and the texts of errors of the platform. It never holds a payload, an API key or a token, nor
 * the text of an error that a handler or a key function threw: that may repeat an input.
 */

/** `error`: something is lost or refused. `warn`: something is late, and the system makes up for it. */
type Level = "error" | "warn";

interface LogEvent {
  level: Level;
  /** What has happened, and what follows. */
  means: string;
  /** What each field holds. */
  fields: { readonly [field: string]: string };
}

const ERROR = { error: "the error, as text" } as const;
const TASK = { taskId: "the task" } as const;
const ATTEMPT = { ...TASK, attempt: "the number of the attempt" } as const;
const SCHEDULE = { tenant: "the schedule's tenant", schedule: "the schedule's id" } as const;

export const LOG_EVENTS = {
  task_unknown: {
    level: "error",
    means:
      "The running code has no task of this name. The task is tried again every 10 s, for an hour in all, so that a deployment can bring it; then it fails. Every thirtieth try is logged.",
    fields: { ...ATTEMPT, task: "the name", triesLeft: "how often it is tried again" },
  },
  alerts_not_looked_for: {
    level: "warn",
    means: "The clock could not look for the alerts of a tenant, or of any. It looks again within a minute.",
    fields: { tenant: "the tenant; null: all", ...ERROR },
  },
  attempt_died: {
    level: "warn",
    means:
      "An attempt was cut short by a fault of Lovage. It counts as interrupted, and the task goes on in another attempt.",
    fields: { ...ATTEMPT, ...ERROR },
  },
  attempt_failed: {
    level: "warn",
    means: "An attempt went wrong. Its error's text is in the task's history only.",
    fields: {
      ...ATTEMPT,
      task: "the task's name",
      outcome: "`failed`, `timeout` or `crashed`",
      error: "the type of the error; null where the attempt was cut off",
      ms: "how long it ran",
    },
  },
  attempt_left_to_its_lease: {
    level: "error",
    means: "The end of an attempt could not be committed. The clock gives the task back when the lease ends.",
    fields: { ...ATTEMPT, ...ERROR },
  },
  audit_owed: {
    level: "warn",
    means: "The clock could not write entries of the audit log that it keeps. It tries again within seconds.",
    fields: { entries: "how many entries", ...ERROR },
  },
  audit_retention_not_read: {
    level: "error",
    means: "`AUDIT_RETENTION` is no duration. Audit entries are kept for 90 days instead.",
    fields: { text: "the value of the setting" },
  },
  batch_not_claimed: {
    level: "warn",
    means: "Tasks that start together could not be claimed. The message for them is sent again when their wait ends.",
    fields: { ids: "how many tasks", ...ERROR },
  },
  beat_failed: {
    level: "warn",
    means: "A heartbeat did not renew its leases. The next one follows within a second or two, before they end.",
    fields: { ...ERROR },
  },
  bells_refused: {
    level: "warn",
    means: "A queue took no messages, three times. The clock sends messages for these tasks.",
    fields: { messages: "how many messages", ...ERROR },
  },
  claim_failed: {
    level: "warn",
    means: "Tasks of a batch of messages could not be claimed. The queue delivers the messages again.",
    fields: { queue: "the queue", bells: "how many messages", ...ERROR },
  },
  claim_not_completed: {
    level: "warn",
    means: "What holds back some of the tasks that a claim left could not be read. The clock looks at them.",
    fields: { ids: "how many tasks", ...ERROR },
  },
  clock_not_poked: {
    level: "warn",
    means: "The clock could not be told of a timer. Its watchdog finds the timer within a minute.",
    fields: { ...ERROR },
  },
  commits_given_up: {
    level: "error",
    means: "Ends of attempts could not be committed for an hour. Their tasks were given to other attempts long before.",
    fields: { taskIds: "the tasks", ...ERROR },
  },
  commits_handed_over: {
    level: "warn",
    means: "An event's time was up before D1 took the ends of its attempts. An object goes on to commit them.",
    fields: { taskIds: "the tasks" },
  },
  commits_not_written: {
    level: "warn",
    means: "An object could not commit the ends that were handed over to it. It tries again within seconds.",
    fields: { taskIds: "the tasks", ...ERROR },
  },
  deploy_not_noted: {
    level: "warn",
    means: "The clock could not mark in the figures over time that other code runs. The next tick does.",
    fields: ERROR,
  },
  counts_not_written: {
    level: "warn",
    means: "Counts of ended attempts were not stored. The figures of `/v1/stats` lack them.",
    fields: { rollups: "how many rows", ...ERROR },
  },
  dead_bells: {
    level: "warn",
    means: "Messages were given back too often. The clock sends messages for their tasks.",
    fields: { messages: "how many messages" },
  },
  end_not_read: {
    level: "warn",
    means:
      "A submission waited for the end of its task, which could not be read. The answer shows the task as it was submitted.",
    fields: { ...TASK, ...ERROR },
  },
  end_not_told: {
    level: "warn",
    means: "A progress object could not be told of an end. Those that wait for it look at the row by themselves.",
    fields: { id: "the task or the flow", ...ERROR },
  },
  events_not_read: {
    level: "warn",
    means: "Events could not be read from a progress object. The caller gets a 503.",
    fields: { id: "the task or the flow", ...ERROR },
  },
  expiry_not_written: {
    level: "error",
    means: "Tasks past their expiry could not be ended. The clock tries again, each half of them by itself.",
    fields: { tasks: "how many tasks", ...ERROR },
  },
  feed_not_read: {
    level: "warn",
    means:
      "What has changed could not be read for a tenant's feed. It is tried again, and the next frame says that changes may have been missed.",
    fields: { tenant: "the tenant", ...ERROR },
  },
  flow_inputs_not_read: {
    level: "warn",
    means: "What flows pass to claimed tasks could not be read for all of them at once. Each attempt reads its own.",
    fields: { tasks: "how many tasks", ...ERROR },
  },
  flow_not_ended: {
    level: "warn",
    means: "A flow whose deadline has passed could not be ended. The clock tries again in a second.",
    fields: { flowId: "the flow", ...ERROR },
  },
  limit_key_not_computed: {
    level: "warn",
    means: "The key function of a limit threw, or returned no text. The submission is refused.",
    fields: { task: "the task's name", limit: "which limit of its definition", error: "the name of the error" },
  },
  limits_not_declared: {
    level: "warn",
    means: "The limits of this deployment's definitions were not stored. The next claim tries again.",
    fields: { ...ERROR },
  },
  link_keys_not_read: {
    level: "error",
    means: "The keys that sign links could not be read. The caller gets a 503.",
    fields: { ...ERROR },
  },
  not_delivered: {
    level: "error",
    means: "Webhook deliveries for these ended tasks could not be stored. The clock tries again.",
    fields: { taskIds: "the tasks", ...ERROR },
  },
  object_not_reached: {
    level: "warn",
    means: "An object that runs attempts or keeps a rate could not be reached. The lease ends, or the clock looks.",
    fields: { ...ERROR },
  },
  object_not_told: {
    level: "warn",
    means: "A progress object could not be told how its task stands. The clock tells it again.",
    fields: { ...TASK, ...ERROR },
  },
  objects_not_told: {
    level: "warn",
    means: "Rows for progress objects could not be read. The clock tells those objects again.",
    fields: { tasks: "how many tasks", ...ERROR },
  },
  outbox_not_read: {
    level: "warn",
    means: "What webhooks are owed could not be read. The clock tries again.",
    fields: { ...ERROR },
  },
  report_lost: {
    level: "warn",
    means: "Progress, logs or outputs of an attempt did not reach its progress object. Listeners miss them.",
    fields: { ...TASK, ...ERROR },
  },
  request_failed: {
    level: "error",
    means: "A request met a fault of Lovage. The caller gets a 500.",
    fields: {
      requestId: "the request's `X-Request-Id`",
      method: "its method",
      path: "its path, without the query, in which links carry their signature",
      error: "the error's stack",
    },
  },
  result_not_stored: {
    level: "error",
    means: "A result found no room in the database. Its task has failed with `storage_full`.",
    fields: { ...ATTEMPT },
  },
  results_backend_lost: {
    level: "error",
    means: "D1 did not answer a request's call, however often it was repeated. The caller gets a 503.",
    fields: { ...ERROR },
  },
  results_backend_overloaded: {
    level: "error",
    means: "D1 is overloaded or silent. For a moment callers get a 503 without it being asked.",
    fields: { ...ERROR },
  },
  schedule_not_declared: {
    level: "error",
    means: "A schedule of `src/app/schedules.ts` does not fit. It is left out.",
    fields: { schedule: SCHEDULE.schedule, ...ERROR },
  },
  schedule_not_ticked: {
    level: "error",
    means: "The tasks of a schedule's ticks could not be made. The clock tries again.",
    fields: { ...SCHEDULE, ...ERROR },
  },
  schedules_not_ticked: {
    level: "error",
    means: "The clock could not look after schedules. It tries again in seconds.",
    fields: { ...ERROR },
  },
  steps_not_read: {
    level: "warn",
    means: "The steps of a task could not be read from its progress object. The caller gets a 503.",
    fields: { id: "the task", ...ERROR },
  },
  stream_failed: {
    level: "warn",
    means: "A stream of events broke off. The client opens it again, and goes on where it was.",
    fields: { id: "the task or the flow", ...ERROR },
  },
  tick_failed: {
    level: "error",
    means: "A tick of the clock failed. The next one follows within seconds, later each time.",
    fields: { ...ERROR },
  },
  ticks_over_quota: {
    level: "warn",
    means: "Ticks of a schedule were over the tenant's quota, and made no tasks.",
    fields: { ...SCHEDULE, ticks: "how many ticks" },
  },
  rate_queue_not_kept: {
    level: "warn",
    means: "An object could not start tasks at the turns of their rate. The clock starts them.",
    fields: { task: "the name of the rate's task", ...ERROR },
  },
  usage_not_counted: {
    level: "warn",
    means: "The clock could not go on with counting what tenants use of their quotas. It tries again.",
    fields: { ...ERROR },
  },
  usage_not_read: {
    level: "warn",
    means: "A tenant's use of its quotas could not be read. Its submission is not refused for it.",
    fields: { tenant: "the tenant", ...ERROR },
  },
  waiter_not_registered: {
    level: "warn",
    means:
      "A caller that waits for an end could not register at the progress object. It tries again, and looks at the row.",
    fields: { id: "the task or the flow", ...ERROR },
  },
  webhook_not_sealed: {
    level: "error",
    means: "The secret of an endpoint could not be sealed with the current key. It stays as it is.",
    fields: { tenant: "the endpoint's tenant", webhook: "the endpoint's id", ...ERROR },
  },
} as const satisfies { [event: string]: LogEvent };
