-- Circuit breakers, one for each task that has one: kept by triggers, so that whatever statement ends an attempt
-- counts it in the same transaction. A task without one costs nothing here.

-- JSON: {"failures", "ratio", "window", "cooldown"}
ALTER TABLE tasks ADD COLUMN circuit TEXT;

CREATE INDEX tasks_circuit ON tasks (task, id) WHERE circuit IS NOT NULL AND state = 'queued';

CREATE TABLE circuits (
  task TEXT PRIMARY KEY,
  -- attempts that ended since the window's beginning, and those of them that failed
  window_at INTEGER NOT NULL,
  ended INTEGER NOT NULL DEFAULT 0,
  failed INTEGER NOT NULL DEFAULT 0,
  -- null: closed; in the past: half open, so one may try
  open_until INTEGER,
  -- the one that tries
  probe TEXT,
  -- 1: closed again, and those who were held back are not rung for yet
  release INTEGER NOT NULL DEFAULT 0
) WITHOUT ROWID, STRICT;

CREATE TRIGGER circuits_tried AFTER UPDATE OF state ON tasks
WHEN NEW.circuit IS NOT NULL AND NEW.state = 'running' AND OLD.state <> 'running'
BEGIN
  UPDATE circuits SET probe = NEW.id WHERE task = NEW.task AND open_until IS NOT NULL;
END;

CREATE TRIGGER circuits_untold AFTER UPDATE OF state ON tasks
WHEN NEW.circuit IS NOT NULL AND OLD.state = 'running' AND NEW.state NOT IN ('succeeded', 'failed', 'retrying')
BEGIN
  UPDATE circuits SET probe = NULL WHERE task = NEW.task AND probe = NEW.id;
END;

CREATE TRIGGER circuits_failed AFTER UPDATE OF state ON tasks
WHEN NEW.circuit IS NOT NULL AND OLD.state = 'running' AND NEW.state IN ('failed', 'retrying')
BEGIN
  INSERT INTO circuits (task, window_at, ended, failed)
  VALUES (NEW.task, NEW.history->'$[#-1]'->>'finishedAt', 1, 1)
  ON CONFLICT (task) DO UPDATE SET
    ended = CASE WHEN excluded.window_at < window_at + (NEW.circuit->>'window') THEN ended ELSE 0 END + 1,
    failed = CASE WHEN excluded.window_at < window_at + (NEW.circuit->>'window') THEN failed ELSE 0 END + 1,
    window_at = CASE WHEN excluded.window_at < window_at + (NEW.circuit->>'window') THEN window_at ELSE excluded.window_at END
    WHERE open_until IS NULL;
  UPDATE circuits SET open_until = (NEW.history->'$[#-1]'->>'finishedAt') + (NEW.circuit->>'cooldown'),
    probe = NULL, ended = 0, failed = 0, release = 0
  WHERE task = NEW.task AND (probe = NEW.id OR open_until IS NULL
    AND failed >= NEW.circuit->>'failures' AND failed >= ended * (NEW.circuit->>'ratio'));
END;

-- Successes count only once something has failed: before that, there is nothing to compare them with.
CREATE TRIGGER circuits_succeeded AFTER UPDATE OF state ON tasks
WHEN NEW.circuit IS NOT NULL AND OLD.state = 'running' AND NEW.state = 'succeeded'
BEGIN
  UPDATE circuits SET ended = CASE WHEN NEW.finished_at < window_at + (NEW.circuit->>'window') THEN ended ELSE 0 END + 1,
    failed = CASE WHEN NEW.finished_at < window_at + (NEW.circuit->>'window') THEN failed ELSE 0 END,
    window_at = CASE WHEN NEW.finished_at < window_at + (NEW.circuit->>'window') THEN window_at ELSE NEW.finished_at END
  WHERE task = NEW.task AND open_until IS NULL;
  UPDATE circuits SET open_until = NULL, probe = NULL, release = 1, ended = 0, failed = 0, window_at = NEW.finished_at
  WHERE task = NEW.task AND probe = NEW.id;
END;
