-- Who is told when a task ends. `default` of every tenant only holds the secret of submissions' own
-- webhooks: it listens to nothing. In the order of the tenant, so that asking whether anybody listens is one lookup.
CREATE TABLE webhooks (
  tenant TEXT NOT NULL,
  id TEXT NOT NULL,
  url TEXT NOT NULL,
  -- JSON array of event types
  events TEXT NOT NULL,
  description TEXT NOT NULL,
  -- 'full', or 'thin': without input and result
  payload TEXT NOT NULL,
  -- JSON array of { secret, expiresAt }, the newest first; expiresAt is null for the one that stays
  secrets TEXT NOT NULL,
  paused INTEGER NOT NULL DEFAULT 0,
  paused_reason TEXT,
  -- since when every attempt has failed
  failing_since INTEGER,
  created_at INTEGER NOT NULL,
  PRIMARY KEY (tenant, id)
) WITHOUT ROWID, STRICT;

-- Ends that somebody must be told of and whose deliveries are not stored yet. What of the task another
-- run would overwrite is kept here.
CREATE TABLE outbox (
  task_id TEXT NOT NULL,
  run INTEGER NOT NULL,
  tenant TEXT NOT NULL,
  state TEXT NOT NULL,
  attempt INTEGER NOT NULL,
  finished_at INTEGER NOT NULL,
  error TEXT,
  PRIMARY KEY (task_id, run)
) WITHOUT ROWID, STRICT;

-- One telling of one end. Its state and attempts are those of the delivery task, `task_` and the rest of the id.
CREATE TABLE deliveries (
  tenant TEXT NOT NULL,
  webhook_id TEXT NOT NULL,
  -- msg_…, in the order of time
  id TEXT NOT NULL,
  type TEXT NOT NULL,
  -- null: a test event
  task_id TEXT,
  -- null: that of the endpoint
  url TEXT,
  created_at INTEGER NOT NULL,
  PRIMARY KEY (tenant, webhook_id, id)
) WITHOUT ROWID, STRICT;

-- Whatever statement ends a task owes its webhooks in the same transaction. Only reads where nobody listens.
CREATE TRIGGER tasks_owe AFTER UPDATE OF state ON tasks
WHEN NEW.state IN ('succeeded', 'failed', 'cancelled', 'expired')
  AND OLD.state NOT IN ('succeeded', 'failed', 'cancelled', 'expired')
  AND (
    (NEW.options ->> '$.webhook' IS NOT NULL
      AND instr(COALESCE(NEW.options ->> '$.webhook.events', '"task.' || NEW.state || '"'), '"task.' || NEW.state || '"'))
    OR EXISTS (
      SELECT 1 FROM webhooks
      WHERE tenant = NEW.tenant AND paused = 0 AND instr(events, '"task.' || NEW.state || '"'))
  )
BEGIN
  INSERT INTO outbox (task_id, run, tenant, state, attempt, finished_at, error)
  VALUES (NEW.id, NEW.run, NEW.tenant, NEW.state, NEW.attempt, NEW.finished_at, NEW.error)
  ON CONFLICT DO NOTHING;
END;

-- A delivery goes with its task.
CREATE TRIGGER deliveries_go AFTER DELETE ON tasks
WHEN OLD.task = 'lovage.webhook'
BEGIN
  DELETE FROM deliveries
  WHERE tenant = substr(OLD.tenant, 10) AND webhook_id = OLD.tags ->> '$.webhook' AND id = 'msg_' || substr(OLD.id, 6);
END;
