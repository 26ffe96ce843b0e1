-- Keys are random, so a plain SHA-256 of one tells nothing and finds it.
CREATE TABLE keys (
  id TEXT PRIMARY KEY,
  tenant TEXT NOT NULL,
  name TEXT NOT NULL,
  -- the key's first characters, to know it by
  prefix TEXT NOT NULL,
  -- SHA-256, hex
  hash TEXT NOT NULL,
  -- JSON array
  scopes TEXT NOT NULL,
  rate_limited INTEGER NOT NULL DEFAULT 0,
  created_at INTEGER NOT NULL,
  expires_at INTEGER,
  revoked_at INTEGER
) WITHOUT ROWID, STRICT;

CREATE UNIQUE INDEX keys_hash ON keys (hash);
