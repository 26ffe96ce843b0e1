-- When a flow must have ended; null where it need not.
ALTER TABLE flows ADD COLUMN deadline INTEGER;

-- 1: it had not, so it fails; 2: and all of it that had not ended was cancelled
ALTER TABLE flows ADD COLUMN overdue INTEGER NOT NULL DEFAULT 0;

-- What the clock must look at. The tasks of `on_error` have no deadline.
CREATE INDEX flows_deadline ON flows (deadline)
WHERE deadline IS NOT NULL AND state = 'running' AND failing = 0 AND overdue < 2;
