-- Which key has made this one, `deployment` for the service's own; null where it was made before that was kept.
ALTER TABLE keys ADD COLUMN created_by TEXT;
-- The key whose limit on requests this one shares; null: its own, if it has one.
ALTER TABLE keys ADD COLUMN rate_of TEXT;
-- 1: its text has a checksum, so that others of its form are refused without a look.
ALTER TABLE keys ADD COLUMN checked INTEGER NOT NULL DEFAULT 0;

CREATE INDEX keys_created_by ON keys (created_by) WHERE created_by IS NOT NULL;
CREATE INDEX keys_unchecked ON keys (id) WHERE checked = 0 AND revoked_at IS NULL;

-- Whose request has claimed the key, and which of the tasks that it was answered with are others' (JSON array of ids).
ALTER TABLE idempotency ADD COLUMN made_by TEXT;
ALTER TABLE idempotency ADD COLUMN others TEXT;
