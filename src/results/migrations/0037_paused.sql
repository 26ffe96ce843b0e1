-- Since when a task that has not started is held back by hand. Null: it is not. The row keeps when it would have started.
ALTER TABLE tasks ADD COLUMN paused_at INTEGER;
