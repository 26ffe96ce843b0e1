-- How a task is to end once its steps are undone, JSON: {"state", "error"}. Null while nothing is being undone.
ALTER TABLE tasks ADD COLUMN undo TEXT;

-- 1: the cancel that its running attempt was told of asks for its steps to be undone
ALTER TABLE tasks ADD COLUMN cancel_undo INTEGER NOT NULL DEFAULT 0;
