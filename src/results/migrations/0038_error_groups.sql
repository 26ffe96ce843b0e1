-- Failures that are the same error: a row for each of a tenant's errors, at most 500 of them, which isolates add to every few
-- seconds as they do to `rollups`.
CREATE TABLE error_groups (
  tenant TEXT NOT NULL,
  -- err_ and a hash of the task, the type and the message's pattern
  id TEXT NOT NULL,
  task TEXT NOT NULL,
  type TEXT NOT NULL,
  -- without ids, numbers and quotes
  message TEXT NOT NULL,
  count INTEGER NOT NULL,
  first_at INTEGER NOT NULL,
  last_at INTEGER NOT NULL,
  -- JSON array of ids of tasks, the newest first
  samples TEXT NOT NULL,
  -- JSON object: "<name>=<value>": how many
  tags TEXT NOT NULL,
  -- 'open', 'resolved' or 'ignored'
  state TEXT NOT NULL DEFAULT 'open',
  -- when that was said, and the count at which an ignored one opens again (null: none)
  state_at INTEGER,
  until_count INTEGER,
  PRIMARY KEY (tenant, id)
) WITHOUT ROWID, STRICT;

-- Of a task that has failed: the group of its error. Written with its end.
ALTER TABLE tasks ADD COLUMN error_group TEXT;
