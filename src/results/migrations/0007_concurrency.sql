-- Who wants, and who has, a place under a concurrency key. Kept by triggers, so that whatever statement
-- starts or ends a task takes or frees its places in the same transaction. A task without keys costs nothing here.
ALTER TABLE tasks ADD COLUMN concurrency TEXT;

CREATE TABLE places (
  key TEXT NOT NULL,
  task_id TEXT NOT NULL,
  running INTEGER NOT NULL,
  PRIMARY KEY (key, task_id)
) WITHOUT ROWID, STRICT;

CREATE INDEX places_running ON places (key) WHERE running = 1;

-- How many places a key has: as the latest submission or definition said.
CREATE TABLE limits (
  key TEXT PRIMARY KEY,
  max INTEGER NOT NULL
) WITHOUT ROWID, STRICT;

CREATE TRIGGER places_wanted AFTER INSERT ON tasks WHEN NEW.concurrency IS NOT NULL
BEGIN
  INSERT INTO places (key, task_id, running)
  SELECT value->>'key', NEW.id, 0 FROM json_each(NEW.concurrency) WHERE true ON CONFLICT DO NOTHING;
  INSERT INTO limits (key, max)
  SELECT value->>'key', value->>'limit' FROM json_each(NEW.concurrency) WHERE true
  ON CONFLICT (key) DO UPDATE SET max = excluded.max WHERE max <> excluded.max;
END;

CREATE TRIGGER places_taken AFTER UPDATE OF state ON tasks
WHEN NEW.concurrency IS NOT NULL AND NEW.state = 'running' AND OLD.state <> 'running'
BEGIN
  UPDATE places SET running = 1
  WHERE key IN (SELECT value->>'key' FROM json_each(NEW.concurrency)) AND task_id = NEW.id;
END;

CREATE TRIGGER places_freed AFTER UPDATE OF state ON tasks
WHEN NEW.concurrency IS NOT NULL AND OLD.state = 'running' AND NEW.state IN ('queued', 'retrying', 'scheduled', 'waiting')
BEGIN
  UPDATE places SET running = 0
  WHERE key IN (SELECT value->>'key' FROM json_each(NEW.concurrency)) AND task_id = NEW.id;
END;

CREATE TRIGGER places_left AFTER UPDATE OF state ON tasks
WHEN NEW.concurrency IS NOT NULL AND NEW.state IN ('succeeded', 'failed', 'cancelled', 'expired')
BEGIN
  DELETE FROM places
  WHERE key IN (SELECT value->>'key' FROM json_each(NEW.concurrency)) AND task_id = NEW.id;
END;

CREATE TRIGGER places_wanted_again AFTER UPDATE OF state ON tasks
WHEN NEW.concurrency IS NOT NULL AND OLD.state IN ('succeeded', 'failed', 'cancelled', 'expired')
  AND NEW.state IN ('queued', 'scheduled', 'waiting')
BEGIN
  INSERT INTO places (key, task_id, running)
  SELECT value->>'key', NEW.id, 0 FROM json_each(NEW.concurrency) WHERE true ON CONFLICT DO NOTHING;
  INSERT INTO limits (key, max)
  SELECT value->>'key', value->>'limit' FROM json_each(NEW.concurrency) WHERE true ON CONFLICT DO NOTHING;
END;
