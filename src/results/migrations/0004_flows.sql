-- The members of a flow are ordinary tasks; their edges are in their rows (`tasks.node`), so that the
-- transaction that ends a task releases what waited for it.
CREATE TABLE flows (
  id TEXT PRIMARY KEY,
  tenant TEXT NOT NULL,
  -- running, succeeded, failed, cancelled
  state TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  finished_at INTEGER,
  cancel_requested_at INTEGER,
  -- JSONB array of all task ids, the last first: whoever asks whether all have ended meets those that have not soonest
  ids BLOB NOT NULL,
  -- JSON: where the result comes from
  result TEXT NOT NULL,
  -- JSON array of the tasks that run once when the flow fails, and whether they do
  on_error TEXT,
  failing INTEGER NOT NULL DEFAULT 0
) WITHOUT ROWID, STRICT;

-- Flows that have not ended, for the clock's deadline and for lists of a tenant
CREATE INDEX flows_tenant ON flows (tenant, id);
