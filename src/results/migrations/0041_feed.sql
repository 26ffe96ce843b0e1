-- Tenants to whose changes somebody listens, until when (ms since the epoch). While it is empty, a change of a task costs one look into it.
CREATE TABLE feeds (
  tenant TEXT PRIMARY KEY,
  until INTEGER NOT NULL
) WITHOUT ROWID, STRICT;

-- Their tasks that have changed since the last look, each once: a row for each, which the look removes.
CREATE TABLE feed_changes (
  tenant TEXT NOT NULL,
  task_id TEXT NOT NULL,
  PRIMARY KEY (tenant, task_id)
) WITHOUT ROWID, STRICT;

-- tolerated: feed_made adds a row to a table of its own, and only while somebody listens; no statement of the previous release reads it.
CREATE TRIGGER feed_made AFTER INSERT ON tasks
WHEN EXISTS (SELECT 1 FROM feeds WHERE tenant = NEW.tenant AND until > unixepoch() * 1000)
BEGIN
  INSERT INTO feed_changes (tenant, task_id) VALUES (NEW.tenant, NEW.id) ON CONFLICT DO NOTHING;
END;

-- tolerated: feed_moved, for the same reason.
CREATE TRIGGER feed_moved AFTER UPDATE OF state ON tasks
WHEN NEW.state <> OLD.state AND EXISTS (SELECT 1 FROM feeds WHERE tenant = NEW.tenant AND until > unixepoch() * 1000)
BEGIN
  INSERT INTO feed_changes (tenant, task_id) VALUES (NEW.tenant, NEW.id) ON CONFLICT DO NOTHING;
END;
