-- Instants are milliseconds since the epoch. Without a rowid, and with one partial index, a plain
-- task costs four written rows: insert 2, claim 1, commit 1.
CREATE TABLE tasks (
  id TEXT PRIMARY KEY,
  tenant TEXT NOT NULL,
  task TEXT NOT NULL,
  lane TEXT NOT NULL,
  state TEXT NOT NULL,
  -- 1, and one more with every manual retry
  run INTEGER NOT NULL DEFAULT 1,
  -- number of the latest start, over all runs; the fencing token
  attempt INTEGER NOT NULL DEFAULT 0,
  -- of this run: attempts that failed, and attempts that were cut off
  failures INTEGER NOT NULL DEFAULT 0,
  crashes INTEGER NOT NULL DEFAULT 0,
  max_attempts INTEGER NOT NULL,
  -- when the clock must look at this row next
  due_at INTEGER,
  lease_until INTEGER,
  -- null: the default
  lease_ms INTEGER,
  -- names the claim that holds the row, so that a claim whose answer was lost can be asked again
  holder TEXT,
  created_at INTEGER NOT NULL,
  -- earliest next start
  run_at INTEGER NOT NULL,
  -- latest start
  started_at INTEGER,
  finished_at INTEGER,
  expires_at INTEGER,
  retention_ms INTEGER NOT NULL,
  retain_until INTEGER,
  cancel_requested_at INTEGER,
  cancel_reason TEXT,
  -- bits: 1 somebody listens, 2 the progress object holds something of this task
  object INTEGER NOT NULL DEFAULT 0,
  parent_id TEXT,
  root_id TEXT,
  flow_id TEXT,
  -- place in the flow's graph
  node_key TEXT,
  -- JSONB: its edges, and where its input comes from
  node BLOB,
  traceparent TEXT,
  -- JSON: what the submission asked for beyond the columns
  options TEXT,
  tags TEXT,
  waiting_for TEXT,
  -- signals ever delivered to it
  signals INTEGER NOT NULL DEFAULT 0,
  -- JSON array of the ids of tasks that its handler spawned
  children TEXT,
  -- JSON array, bounded
  history TEXT,
  progress TEXT,
  error TEXT,
  -- bits: 1 the input, 2 the result is in `payloads`
  overflow INTEGER NOT NULL DEFAULT 0,
  input TEXT,
  result TEXT
) WITHOUT ROWID, STRICT;

CREATE INDEX tasks_due ON tasks (due_at) WHERE due_at IS NOT NULL;

-- Payloads too large for the row: D1 takes 2 MB in a row and in a parameter.
CREATE TABLE payloads (
  task_id TEXT NOT NULL,
  kind TEXT NOT NULL,
  body TEXT NOT NULL,
  PRIMARY KEY (task_id, kind)
) WITHOUT ROWID, STRICT;

CREATE TABLE idempotency (
  tenant TEXT NOT NULL,
  key TEXT NOT NULL,
  -- of the request's path and body
  fingerprint TEXT NOT NULL,
  -- JSON: what the request made
  made TEXT NOT NULL,
  expires_at INTEGER NOT NULL,
  PRIMARY KEY (tenant, key)
) WITHOUT ROWID, STRICT;

CREATE INDEX idempotency_expires ON idempotency (expires_at);
