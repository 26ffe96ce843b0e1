-- A bucket that is full again is like one that was never there, so it can be forgotten: whoever starts makes it anew.
DROP TRIGGER buckets_wanted;
DROP TRIGGER buckets_paid;

-- The rate that was submitted last holds.
CREATE TRIGGER buckets_wanted AFTER INSERT ON tasks WHEN NEW.rates IS NOT NULL
BEGIN
  UPDATE buckets SET interval = own.value->>'interval', tolerance = own.value->>'tolerance'
  FROM json_each(NEW.rates) AS own
  WHERE buckets.key = own.value->>'key'
    AND (buckets.interval <> own.value->>'interval' OR buckets.tolerance <> own.value->>'tolerance');
END;

-- What is started is paid for in the same transaction.
CREATE TRIGGER buckets_paid AFTER UPDATE OF state ON tasks
WHEN NEW.rates IS NOT NULL AND NEW.state = 'running' AND OLD.state <> 'running'
BEGIN
  INSERT INTO buckets (key, tat, interval, tolerance)
  SELECT value->>'key', NEW.started_at + (value->>'interval'), value->>'interval', value->>'tolerance'
  FROM json_each(NEW.rates) WHERE true
  ON CONFLICT (key) DO UPDATE SET tat = MAX(tat, NEW.started_at) + interval;
END;
