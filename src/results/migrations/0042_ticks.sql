-- Tasks of schedules' ticks: a row more for each of them. Building it reads the table once.
CREATE INDEX tasks_ticks ON tasks (tenant, tags ->> 'schedule', id) WHERE tags ->> 'schedule' IS NOT NULL;
