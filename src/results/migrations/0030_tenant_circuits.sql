-- Circuits of each tenant: a task's row may name its circuit (`circuit->>'key'`, "<task>@<tenant>"), else it is its task's.
DROP TRIGGER circuits_tried;
DROP TRIGGER circuits_untold;
DROP TRIGGER circuits_failed;
DROP TRIGGER circuits_succeeded;

-- tolerated: old code's rows name no circuit, and theirs is their task's as before.
CREATE TRIGGER circuits_tried AFTER UPDATE OF state ON tasks
WHEN NEW.circuit IS NOT NULL AND NEW.state = 'running' AND OLD.state <> 'running'
BEGIN
  UPDATE circuits SET probe = NEW.id WHERE task = COALESCE(NEW.circuit->>'key', NEW.task) AND open_until IS NOT NULL;
END;

-- tolerated: old code's rows name no circuit, and theirs is their task's as before.
CREATE TRIGGER circuits_untold AFTER UPDATE OF state ON tasks
WHEN NEW.circuit IS NOT NULL AND OLD.state = 'running' AND NEW.state NOT IN ('succeeded', 'failed', 'retrying')
BEGIN
  UPDATE circuits SET probe = NULL WHERE task = COALESCE(NEW.circuit->>'key', NEW.task) AND probe = NEW.id;
END;

-- tolerated: old code's rows name no circuit, and theirs is their task's as before.
CREATE TRIGGER circuits_failed AFTER UPDATE OF state ON tasks
WHEN NEW.circuit IS NOT NULL AND OLD.state = 'running' AND NEW.state IN ('failed', 'retrying')
BEGIN
  INSERT INTO circuits (task, window_at, ended, failed)
  VALUES (COALESCE(NEW.circuit->>'key', NEW.task), NEW.history->'$[#-1]'->>'finishedAt', 1, 1)
  ON CONFLICT (task) DO UPDATE SET
    ended = CASE WHEN excluded.window_at < window_at + (NEW.circuit->>'window') THEN ended ELSE 0 END + 1,
    failed = CASE WHEN excluded.window_at < window_at + (NEW.circuit->>'window') THEN failed ELSE 0 END + 1,
    window_at = CASE WHEN excluded.window_at < window_at + (NEW.circuit->>'window') THEN window_at ELSE excluded.window_at END
    WHERE open_until IS NULL;
  UPDATE circuits SET open_until = (NEW.history->'$[#-1]'->>'finishedAt') + (NEW.circuit->>'cooldown'),
    probe = NULL, ended = 0, failed = 0, release = 0
  WHERE task = COALESCE(NEW.circuit->>'key', NEW.task) AND (probe = NEW.id OR open_until IS NULL
    AND failed >= NEW.circuit->>'failures' AND failed >= ended * (NEW.circuit->>'ratio'));
END;

-- Successes count only once something has failed: before that, there is nothing to compare them with.
-- tolerated: old code's rows name no circuit, and theirs is their task's as before.
CREATE TRIGGER circuits_succeeded AFTER UPDATE OF state ON tasks
WHEN NEW.circuit IS NOT NULL AND OLD.state = 'running' AND NEW.state = 'succeeded'
BEGIN
  UPDATE circuits SET ended = CASE WHEN NEW.finished_at < window_at + (NEW.circuit->>'window') THEN ended ELSE 0 END + 1,
    failed = CASE WHEN NEW.finished_at < window_at + (NEW.circuit->>'window') THEN failed ELSE 0 END,
    window_at = CASE WHEN NEW.finished_at < window_at + (NEW.circuit->>'window') THEN window_at ELSE NEW.finished_at END
  WHERE task = COALESCE(NEW.circuit->>'key', NEW.task) AND open_until IS NULL;
  UPDATE circuits SET open_until = NULL, probe = NULL, release = 1, ended = 0, failed = 0, window_at = NEW.finished_at
  WHERE task = COALESCE(NEW.circuit->>'key', NEW.task) AND probe = NEW.id;
END;

-- Who is held back by a tenant's circuit: two rows more for each task that has one (at its insert and its claim), none for others.
-- Built by reading the table once.
CREATE INDEX tasks_tripped ON tasks (circuit->>'key', id) WHERE circuit->>'key' IS NOT NULL AND state = 'queued';
