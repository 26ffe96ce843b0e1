-- Every trigger as it stands after all migrations. To be read, not run: made by `node scripts/triggers.ts`.

CREATE TRIGGER drains_changed AFTER UPDATE ON drains
BEGIN
  UPDATE lane_modes SET mode = 'draining', reason = NEW.reason, until = NEW.until, since = NEW.since
  WHERE name = NEW.name AND (mode, reason, until, since) IS NOT ('draining', NEW.reason, NEW.until, NEW.since);
END;

CREATE TRIGGER drains_gone AFTER DELETE ON drains
BEGIN
  DELETE FROM lane_modes WHERE name = OLD.name AND mode = 'draining' AND holds = 0;
  UPDATE lane_modes SET mode = 'open', reason = NULL, until = NULL WHERE name = OLD.name AND mode = 'draining';
END;

CREATE TRIGGER drains_made AFTER INSERT ON drains
BEGIN
  INSERT INTO lane_modes (name, mode, reason, until, since, holds)
  VALUES (NEW.name, 'draining', NEW.reason, NEW.until, NEW.since, 0)
  ON CONFLICT (name) DO UPDATE SET mode = 'draining', reason = excluded.reason, until = excluded.until, since = excluded.since
  WHERE (mode, reason, until, since) IS NOT ('draining', excluded.reason, excluded.until, excluded.since);
END;

CREATE TRIGGER lane_modes_changed AFTER UPDATE ON lane_modes
BEGIN
  INSERT INTO lanes (name, paused, reason, until, since)
  SELECT NEW.name, NEW.mode = 'paused', NEW.reason, NEW.until, NEW.since WHERE NEW.holds = 1
  ON CONFLICT (name) DO UPDATE SET paused = excluded.paused, reason = excluded.reason, until = excluded.until, since = excluded.since;
  INSERT INTO drains (name, reason, until, since)
  SELECT NEW.name, NEW.reason, NEW.until, NEW.since WHERE NEW.mode = 'draining'
  ON CONFLICT (name) DO UPDATE SET reason = excluded.reason, until = excluded.until, since = excluded.since;
  DELETE FROM lanes WHERE name = NEW.name AND NEW.holds = 0;
  DELETE FROM drains WHERE name = NEW.name AND NEW.mode <> 'draining';
END;

CREATE TRIGGER lane_modes_gone AFTER DELETE ON lane_modes
BEGIN
  DELETE FROM lanes WHERE name = OLD.name;
  DELETE FROM drains WHERE name = OLD.name;
END;

CREATE TRIGGER lane_modes_made AFTER INSERT ON lane_modes
BEGIN
  INSERT INTO lanes (name, paused, reason, until, since)
  SELECT NEW.name, NEW.mode = 'paused', NEW.reason, NEW.until, NEW.since WHERE NEW.holds = 1
  ON CONFLICT (name) DO UPDATE SET paused = excluded.paused, reason = excluded.reason, until = excluded.until, since = excluded.since;
  INSERT INTO drains (name, reason, until, since)
  SELECT NEW.name, NEW.reason, NEW.until, NEW.since WHERE NEW.mode = 'draining'
  ON CONFLICT (name) DO UPDATE SET reason = excluded.reason, until = excluded.until, since = excluded.since;
END;

CREATE TRIGGER lanes_changed AFTER UPDATE ON lanes
BEGIN
  UPDATE lane_modes SET mode = 'paused', reason = NEW.reason, until = NEW.until, since = NEW.since, holds = 1
  WHERE name = NEW.name AND NEW.paused = 1 AND (mode, reason, until, since) IS NOT ('paused', NEW.reason, NEW.until, NEW.since);
  UPDATE lane_modes SET mode = 'open', reason = NULL, until = NULL WHERE name = NEW.name AND NEW.paused = 0 AND mode = 'paused';
END;

CREATE TRIGGER lanes_gone AFTER DELETE ON lanes
BEGIN
  DELETE FROM lane_modes WHERE name = OLD.name AND mode <> 'draining';
  UPDATE lane_modes SET holds = 0 WHERE name = OLD.name AND holds = 1;
END;

CREATE TRIGGER lanes_made AFTER INSERT ON lanes
BEGIN
  INSERT INTO lane_modes (name, mode, reason, until, since, holds)
  VALUES (NEW.name, CASE NEW.paused WHEN 1 THEN 'paused' ELSE 'open' END, NEW.reason, NEW.until, NEW.since, 1)
  ON CONFLICT (name) DO UPDATE SET mode = 'paused', reason = excluded.reason, until = excluded.until, since = excluded.since, holds = 1
  WHERE NEW.paused = 1 AND (mode, reason, until, since) IS NOT ('paused', excluded.reason, excluded.until, excluded.since);
END;

CREATE TRIGGER buckets_paid AFTER UPDATE OF state ON tasks
WHEN NEW.rates IS NOT NULL AND NEW.state = 'running' AND OLD.state <> 'running'
BEGIN
  INSERT INTO buckets (key, tat, interval, tolerance)
  SELECT value->>'key', NEW.started_at + (value->>'interval'), value->>'interval', value->>'tolerance'
  FROM json_each(NEW.rates) WHERE true
  ON CONFLICT (key) DO UPDATE SET tat = MAX(tat, NEW.started_at) + interval;
END;

CREATE TRIGGER buckets_wanted AFTER INSERT ON tasks WHEN NEW.rates IS NOT NULL
BEGIN
  UPDATE buckets SET interval = own.value->>'interval', tolerance = own.value->>'tolerance',
    tat = MAX(MIN(tat, NEW.created_at + (own.value->>'tolerance') + (own.value->>'interval')),
      COALESCE(held_until, 0) + (own.value->>'tolerance'))
  FROM json_each(NEW.rates) AS own
  WHERE buckets.key = own.value->>'key' AND buckets.override IS NULL
    AND (buckets.interval <> own.value->>'interval' OR buckets.tolerance <> own.value->>'tolerance');
END;

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

CREATE TRIGGER circuits_tried AFTER UPDATE OF state ON tasks
WHEN NEW.circuit IS NOT NULL AND NEW.state = 'running' AND OLD.state <> 'running'
BEGIN
  UPDATE circuits SET probe = NEW.id WHERE task = COALESCE(NEW.circuit->>'key', NEW.task) AND open_until IS NOT NULL;
END;

CREATE TRIGGER circuits_untold AFTER UPDATE OF state ON tasks
WHEN NEW.circuit IS NOT NULL AND OLD.state = 'running' AND NEW.state NOT IN ('succeeded', 'failed', 'retrying')
BEGIN
  UPDATE circuits SET probe = NULL WHERE task = COALESCE(NEW.circuit->>'key', NEW.task) AND probe = NEW.id;
END;

CREATE TRIGGER deliveries_go AFTER DELETE ON tasks
WHEN OLD.task = 'lovage.webhook'
BEGIN
  DELETE FROM deliveries
  WHERE tenant = substr(OLD.tenant, 10) AND webhook_id = OLD.tags ->> '$.webhook' AND id = 'msg_' || substr(OLD.id, 6);
END;

CREATE TRIGGER feed_made AFTER INSERT ON tasks
WHEN EXISTS (SELECT 1 FROM feeds WHERE tenant = NEW.tenant AND until > unixepoch() * 1000)
BEGIN
  INSERT INTO feed_changes (tenant, task_id) VALUES (NEW.tenant, NEW.id) ON CONFLICT DO NOTHING;
END;

CREATE TRIGGER feed_moved AFTER UPDATE OF state ON tasks
WHEN NEW.state <> OLD.state AND EXISTS (SELECT 1 FROM feeds WHERE tenant = NEW.tenant AND until > unixepoch() * 1000)
BEGIN
  INSERT INTO feed_changes (tenant, task_id) VALUES (NEW.tenant, NEW.id) ON CONFLICT DO NOTHING;
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

CREATE TRIGGER places_taken AFTER UPDATE OF state ON tasks
WHEN NEW.concurrency IS NOT NULL AND NEW.state = 'running' AND OLD.state <> 'running'
BEGIN
  UPDATE places SET running = 1
  WHERE key IN (SELECT value->>'key' FROM json_each(NEW.concurrency)) AND task_id = NEW.id;
END;

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

CREATE TRIGGER tasks_owe AFTER UPDATE OF state ON tasks
WHEN NEW.state IN ('succeeded', 'failed', 'cancelled', 'expired')
  AND OLD.state NOT IN ('succeeded', 'failed', 'cancelled', 'expired')
  AND (
    (NEW.options ->> '$.webhook' IS NOT NULL
      AND instr(COALESCE(NEW.options ->> '$.webhook.events', '"task.' || NEW.state || '"'), '"task.' || NEW.state || '"'))
    OR EXISTS (
      SELECT 1 FROM webhooks
      WHERE tenant = NEW.tenant AND paused = 0 AND instr(events, '"task.' || NEW.state || '"'))
  )
BEGIN
  INSERT INTO outbox (task_id, run, tenant, state, attempt, finished_at, error)
  VALUES (NEW.id, NEW.run, NEW.tenant, NEW.state, NEW.attempt, NEW.finished_at, NEW.error)
  ON CONFLICT DO NOTHING;
END;
