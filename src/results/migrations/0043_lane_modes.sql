-- Lanes that are paused or that drain, one row each. A lane without a row is open and accepts. It replaces `lanes` (paused) and
-- `drains`, which the previous release reads and writes: until a contract migration drops those, the triggers below keep all
-- three in step. Each trigger changes only what differs, so that no two of them answer each other.
CREATE TABLE lane_modes (
  name TEXT PRIMARY KEY,
  -- open, paused or draining
  mode TEXT NOT NULL,
  reason TEXT,
  -- ms since the epoch: then it is open by itself; null: never
  until INTEGER,
  since INTEGER NOT NULL,
  -- 1: tasks wait that a pause has held back, and that the clock must send messages for once it is over
  holds INTEGER NOT NULL
) WITHOUT ROWID, STRICT;

INSERT INTO lane_modes (name, mode, reason, until, since, holds)
SELECT name, CASE paused WHEN 1 THEN 'paused' ELSE 'open' END, reason, until, since, 1 FROM lanes;

INSERT INTO lane_modes (name, mode, reason, until, since, holds)
SELECT name, 'draining', reason, until, since, 0 FROM drains WHERE true
ON CONFLICT (name) DO UPDATE SET mode = 'draining', reason = excluded.reason, until = excluded.until, since = excluded.since;

-- To the previous release's tables.
CREATE TRIGGER lane_modes_made AFTER INSERT ON lane_modes
BEGIN
  INSERT INTO lanes (name, paused, reason, until, since)
  SELECT NEW.name, NEW.mode = 'paused', NEW.reason, NEW.until, NEW.since WHERE NEW.holds = 1
  ON CONFLICT (name) DO UPDATE SET paused = excluded.paused, reason = excluded.reason, until = excluded.until, since = excluded.since;
  INSERT INTO drains (name, reason, until, since)
  SELECT NEW.name, NEW.reason, NEW.until, NEW.since WHERE NEW.mode = 'draining'
  ON CONFLICT (name) DO UPDATE SET reason = excluded.reason, until = excluded.until, since = excluded.since;
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

-- From the previous release's tables.
-- tolerated: lanes_made copies the row to a table that the previous release does not read.
CREATE TRIGGER lanes_made AFTER INSERT ON lanes
BEGIN
  INSERT INTO lane_modes (name, mode, reason, until, since, holds)
  VALUES (NEW.name, CASE NEW.paused WHEN 1 THEN 'paused' ELSE 'open' END, NEW.reason, NEW.until, NEW.since, 1)
  ON CONFLICT (name) DO UPDATE SET mode = 'paused', reason = excluded.reason, until = excluded.until, since = excluded.since, holds = 1
  WHERE NEW.paused = 1 AND (mode, reason, until, since) IS NOT ('paused', excluded.reason, excluded.until, excluded.since);
END;

-- tolerated: lanes_changed, for the same reason.
CREATE TRIGGER lanes_changed AFTER UPDATE ON lanes
BEGIN
  UPDATE lane_modes SET mode = 'paused', reason = NEW.reason, until = NEW.until, since = NEW.since, holds = 1
  WHERE name = NEW.name AND NEW.paused = 1 AND (mode, reason, until, since) IS NOT ('paused', NEW.reason, NEW.until, NEW.since);
  UPDATE lane_modes SET mode = 'open', reason = NULL, until = NULL WHERE name = NEW.name AND NEW.paused = 0 AND mode = 'paused';
END;

-- tolerated: lanes_gone, for the same reason. The previous release removes the row once the tasks that waited have their messages.
CREATE TRIGGER lanes_gone AFTER DELETE ON lanes
BEGIN
  DELETE FROM lane_modes WHERE name = OLD.name AND mode <> 'draining';
  UPDATE lane_modes SET holds = 0 WHERE name = OLD.name AND holds = 1;
END;

-- tolerated: drains_made, for the same reason.
CREATE TRIGGER drains_made AFTER INSERT ON drains
BEGIN
  INSERT INTO lane_modes (name, mode, reason, until, since, holds)
  VALUES (NEW.name, 'draining', NEW.reason, NEW.until, NEW.since, 0)
  ON CONFLICT (name) DO UPDATE SET mode = 'draining', reason = excluded.reason, until = excluded.until, since = excluded.since
  WHERE (mode, reason, until, since) IS NOT ('draining', excluded.reason, excluded.until, excluded.since);
END;

-- tolerated: drains_changed, for the same reason.
CREATE TRIGGER drains_changed AFTER UPDATE ON drains
BEGIN
  UPDATE lane_modes SET mode = 'draining', reason = NEW.reason, until = NEW.until, since = NEW.since
  WHERE name = NEW.name AND (mode, reason, until, since) IS NOT ('draining', NEW.reason, NEW.until, NEW.since);
END;

-- tolerated: drains_gone, for the same reason.
CREATE TRIGGER drains_gone AFTER DELETE ON drains
BEGIN
  DELETE FROM lane_modes WHERE name = OLD.name AND mode = 'draining' AND holds = 0;
  UPDATE lane_modes SET mode = 'open', reason = NULL, until = NULL WHERE name = OLD.name AND mode = 'draining';
END;
