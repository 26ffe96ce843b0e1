-- What each tenant uses of its quotas, roughly: the clock counts it now and then, and isolates add what they have let in
-- meanwhile. A tenant without a row uses nothing. The row of the tenant '' says when the last count ended.
CREATE TABLE usage (
  tenant TEXT PRIMARY KEY,
  -- that have not ended
  tasks INTEGER NOT NULL DEFAULT 0,
  -- of inputs, results, errors, histories, signals and flows
  bytes INTEGER NOT NULL DEFAULT 0,
  -- that are kept
  signals INTEGER NOT NULL DEFAULT 0,
  counted_at INTEGER
) WITHOUT ROWID, STRICT;

-- The keys of a tenant that are not revoked, to be counted without those that are. A small table.
CREATE INDEX keys_valid ON keys (tenant, expires_at) WHERE revoked_at IS NULL;
