-- bits, as those of a task: 8 a caller waits for the flow's end
ALTER TABLE flows ADD COLUMN object INTEGER NOT NULL DEFAULT 0;
