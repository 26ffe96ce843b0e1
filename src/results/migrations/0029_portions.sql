-- Bells of a lane that are more than it has room for, sorted by tenant: each row is a portion of one tenant's tasks, about as
-- many as one event starts. A task that starts at once costs nothing here. A portion only wakes: what is lost of it the clock finds.
CREATE TABLE portions (
  lane TEXT NOT NULL,
  -- where it stands among all tenants' portions of the lane: the sum of what its tenant was given before, by its weight
  tag INTEGER NOT NULL,
  tenant TEXT NOT NULL,
  size INTEGER NOT NULL,
  -- JSON array of the ids of tasks
  ids TEXT NOT NULL,
  -- until when somebody is claiming it, and who; null while it waits
  held_until INTEGER,
  holder TEXT,
  PRIMARY KEY (lane, tag, tenant)
) WITHOUT ROWID, STRICT;

-- Where the next portion of a tenant stands.
CREATE INDEX portions_tenant ON portions (lane, tenant, tag);
