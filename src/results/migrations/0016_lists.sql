-- Indexes for lists, newest first. A plain task of the default tenant that succeeds has no entry in any of them. None of their
-- columns ever changes, so an entry is written once: at the insert, or, in the second, when the task ends badly.
-- Each statement reads the whole table once and sorts the few rows that match; on a table whose scan takes D1 longer than a
-- statement may (30 s: some GB), let the retention of most tasks pass with shorter ones first, or build it in a new database.

-- Tenants other than the default one: one row more for each of their tasks. Deliveries are in no list of tasks.
CREATE INDEX tasks_tenant ON tasks (tenant, id) WHERE tenant <> 'default' AND task <> 'lovage.webhook';

-- What ended badly: one row more for each of these ends.
CREATE INDEX tasks_bad ON tasks (tenant, id) WHERE state IN ('failed', 'cancelled', 'expired');

-- Tasks whose id is older than they are: children have the time of their parent, error tasks that of their flow. One row more for each.
CREATE INDEX tasks_late ON tasks (tenant, id) WHERE node->>'wakes' IS NOT NULL OR node->>'onError' IS NOT NULL;

-- The keys of one tenant: one row more for each key.
CREATE INDEX keys_tenant ON keys (tenant, id);
