-- Who waits for a signal, to be listed. Building it reads the table once. An entry is written when a task begins to wait for a
-- signal, and removed when it goes on: two rows more for such a wait, none for any other task.
CREATE INDEX tasks_signals ON tasks (tenant, id) WHERE state = 'waiting' AND waiting_for ->> '$.signals[0]' IS NOT NULL;
