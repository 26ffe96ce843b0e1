-- Until when an ended flow is kept, with all of its members: the longest of their retentions. Null while it runs.
ALTER TABLE flows ADD COLUMN retain_until INTEGER;

-- Flows without tasks: no task's timer leads to them. Reads the flows once; one row for each such flow.
CREATE INDEX flows_empty ON flows (created_at) WHERE json_array_length(ids) = 0;
