-- Signals are kept until they are asked for. Which of them a task has taken stands in its journal.
CREATE TABLE signals (
  task_id TEXT NOT NULL,
  -- position among the signals of the task
  seq INTEGER NOT NULL,
  name TEXT NOT NULL,
  body TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  -- names this delivery alone: a random name, or that of the callback address, which is good for one
  delivery TEXT NOT NULL,
  PRIMARY KEY (task_id, seq)
) WITHOUT ROWID, STRICT;

CREATE UNIQUE INDEX signals_delivery ON signals (delivery);
