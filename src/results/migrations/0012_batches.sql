-- Tasks whose handler is called once for many. Who gathers is `queued`, whatever brought it there; a claim's own statement
-- decides who starts together. A task that is none costs nothing here, one that is costs one row more: its entry below.

-- JSON: {"size", "wait"}
ALTER TABLE tasks ADD COLUMN batch TEXT;

CREATE INDEX tasks_gathering ON tasks (tenant, task, lane, run_at, id) WHERE batch IS NOT NULL AND state = 'queued';
