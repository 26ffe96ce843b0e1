-- What waits for long, to be found by its tenant however much others have on their way. Building it reads the table once. An
-- entry is written when the clock postpones a task that has waited for some minutes, in a paused lane at its first look: one row
-- more each time, and none for any task that starts sooner.
CREATE INDEX tasks_slow ON tasks (tenant, lane, run_at) WHERE state = 'queued' AND due_at > run_at + 300000;
