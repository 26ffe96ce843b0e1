-- Limits that the API has changed: its word holds, and what code or the latest submission asked for is kept beside it.
ALTER TABLE limits ADD COLUMN asked INTEGER;
ALTER TABLE limits ADD COLUMN override INTEGER;
UPDATE limits SET asked = max;

DROP TRIGGER places_wanted;
DROP TRIGGER places_wanted_again;

CREATE TRIGGER places_wanted AFTER INSERT ON tasks WHEN NEW.concurrency IS NOT NULL
BEGIN
  INSERT INTO places (key, task_id, running)
  SELECT value->>'key', NEW.id, 0 FROM json_each(NEW.concurrency) WHERE true ON CONFLICT DO NOTHING;
  INSERT INTO limits (key, max, asked)
  SELECT value->>'key', value->>'limit', value->>'limit' FROM json_each(NEW.concurrency) WHERE true
  ON CONFLICT (key) DO UPDATE SET asked = excluded.asked, max = COALESCE(override, excluded.asked)
    WHERE asked IS NOT excluded.asked;
END;

CREATE TRIGGER places_wanted_again AFTER UPDATE OF state ON tasks
WHEN NEW.concurrency IS NOT NULL AND OLD.state IN ('succeeded', 'failed', 'cancelled', 'expired')
  AND NEW.state IN ('queued', 'scheduled', 'waiting')
BEGIN
  INSERT INTO places (key, task_id, running)
  SELECT value->>'key', NEW.id, 0 FROM json_each(NEW.concurrency) WHERE true ON CONFLICT DO NOTHING;
  INSERT INTO limits (key, max, asked)
  SELECT value->>'key', value->>'limit', value->>'limit' FROM json_each(NEW.concurrency) WHERE true
  ON CONFLICT (key) DO UPDATE SET asked = excluded.asked WHERE asked IS NULL;
END;

-- Until when an upstream wants to be left alone; after it, no burst.
ALTER TABLE buckets ADD COLUMN held_until INTEGER;
-- JSON: {"limit", "per", "burst"} as the API was told
ALTER TABLE buckets ADD COLUMN override TEXT;

-- Who waits under a rate, to be counted and given new turns. A task without a rate costs nothing here.
CREATE INDEX tasks_rated ON tasks (rates->0->>'key', id) WHERE rates IS NOT NULL AND state = 'queued';

DROP TRIGGER buckets_wanted;

-- The rate that was submitted last holds, unless the API says otherwise. Nobody waits longer than the new rate makes anyone wait.
CREATE TRIGGER buckets_wanted AFTER INSERT ON tasks WHEN NEW.rates IS NOT NULL
BEGIN
  UPDATE buckets SET interval = own.value->>'interval', tolerance = own.value->>'tolerance',
    tat = MAX(MIN(tat, NEW.created_at + (own.value->>'tolerance') + (own.value->>'interval')),
      COALESCE(held_until, 0) + (own.value->>'tolerance'))
  FROM json_each(NEW.rates) AS own
  WHERE buckets.key = own.value->>'key' AND buckets.override IS NULL
    AND (buckets.interval <> own.value->>'interval' OR buckets.tolerance <> own.value->>'tolerance');
END;

-- Lanes that finish what they have and accept nothing new. A lane without a row accepts.
CREATE TABLE drains (
  name TEXT PRIMARY KEY,
  reason TEXT,
  until INTEGER,
  since INTEGER NOT NULL
) WITHOUT ROWID, STRICT;
