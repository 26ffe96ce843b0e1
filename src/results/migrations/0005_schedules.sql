-- Tasks by the clock. A tick's task and the schedule's next time are one transaction, guarded by the
-- revision that was read; so whatever crashes, one tick makes one task.
CREATE TABLE schedules (
  tenant TEXT NOT NULL,
  id TEXT NOT NULL,
  -- 'api', or 'code': declared by the deployment
  source TEXT NOT NULL,
  -- JSON: what was put, without the input
  spec TEXT NOT NULL,
  -- JSON; null where none was given
  input TEXT,
  paused INTEGER NOT NULL DEFAULT 0,
  -- from where an interval is counted
  anchor INTEGER NOT NULL,
  -- the tick that it waits for; null while it is paused, and after the last one
  next_at INTEGER,
  -- the task of the latest tick, for what is said about overlaps
  last_task TEXT,
  -- JSON array of { tick, taskId }, the newest first, at most ten
  last_runs TEXT NOT NULL DEFAULT '[]',
  -- grows with every change, ticks included
  revision INTEGER NOT NULL DEFAULT 1,
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL,
  PRIMARY KEY (tenant, id)
) WITHOUT ROWID, STRICT;

CREATE INDEX schedules_next ON schedules (next_at) WHERE next_at IS NOT NULL;

-- Lanes that are held back. A lane without a row is open.
CREATE TABLE lanes (
  name TEXT PRIMARY KEY,
  -- 0: it is open again, and the clock still rings for those who waited
  paused INTEGER NOT NULL,
  reason TEXT,
  until INTEGER,
  since INTEGER NOT NULL
) WITHOUT ROWID, STRICT;

-- What the worker nodes have seen, in spans of a minute, of an hour, and (0) of all time.
CREATE TABLE rollups (
  span INTEGER NOT NULL,
  -- the span's beginning
  at INTEGER NOT NULL,
  tenant TEXT NOT NULL,
  -- JSON object: "<task> <lane> <what>": how many
  counts TEXT NOT NULL,
  PRIMARY KEY (span, at, tenant)
) WITHOUT ROWID, STRICT;
