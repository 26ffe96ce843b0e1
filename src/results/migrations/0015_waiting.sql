-- Who waits for nothing but another task's end or a signal, to be counted: no timer leads to them. A task that never waits so costs nothing here.
CREATE INDEX tasks_waiting ON tasks (tenant, task, lane) WHERE state = 'waiting' AND due_at IS NULL;

-- Nothing asks for the flows of a tenant: each is found by its id.
DROP INDEX flows_tenant;
