-- Submissions that share one task: debounce, throttle and cache. Which task that is, per name.
CREATE TABLE windows (
  tenant TEXT NOT NULL,
  kind TEXT NOT NULL,
  task TEXT NOT NULL,
  key TEXT NOT NULL,
  task_id TEXT NOT NULL,
  opened_at INTEGER NOT NULL,
  -- when the row may be forgotten
  expires_at INTEGER NOT NULL,
  PRIMARY KEY (tenant, kind, task, key)
) WITHOUT ROWID, STRICT;

CREATE INDEX windows_expires ON windows (expires_at);

-- Token buckets (GCRA): when the next token is due, and what the rate is.
CREATE TABLE buckets (
  key TEXT PRIMARY KEY,
  -- theoretical arrival time of the next start, in ms since the epoch
  tat REAL NOT NULL,
  -- ms per token, and how many ms of tokens may be saved up
  interval REAL NOT NULL,
  tolerance REAL NOT NULL
) WITHOUT ROWID, STRICT;

-- JSON array of rates: {"key", "interval", "tolerance"}
ALTER TABLE tasks ADD COLUMN rates TEXT;

CREATE TRIGGER buckets_wanted AFTER INSERT ON tasks WHEN NEW.rates IS NOT NULL
BEGIN
  INSERT INTO buckets (key, tat, interval, tolerance)
  SELECT value->>'key', 0, value->>'interval', value->>'tolerance' FROM json_each(NEW.rates) WHERE true
  ON CONFLICT (key) DO UPDATE SET interval = excluded.interval, tolerance = excluded.tolerance
    WHERE interval <> excluded.interval OR tolerance <> excluded.tolerance;
END;

-- What is started is paid for in the same transaction.
CREATE TRIGGER buckets_paid AFTER UPDATE OF state ON tasks
WHEN NEW.rates IS NOT NULL AND NEW.state = 'running' AND OLD.state <> 'running'
BEGIN
  UPDATE buckets SET tat = MAX(tat, NEW.started_at) + interval
  WHERE key IN (SELECT value->>'key' FROM json_each(NEW.rates));
END;
