-- Who changed what. An entry is written in the transaction of its change, and never changed but for its counts. Its id
-- tells its time, so what is past its retention is a range of ids.
CREATE TABLE audit (
  id TEXT PRIMARY KEY,
  -- whose object it was
  tenant TEXT NOT NULL,
  at INTEGER NOT NULL,
  -- 'key', 'link' or 'system'
  actor_kind TEXT NOT NULL,
  actor_id TEXT,
  action TEXT NOT NULL,
  -- null: many objects
  target TEXT,
  -- JSON object
  detail TEXT,
  ip TEXT
) WITHOUT ROWID, STRICT;

CREATE INDEX audit_tenant ON audit (tenant, id);
