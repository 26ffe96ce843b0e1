-- Beside the counts of a span: JSON object, "<task> <lane> error:<type>" and "<task> <lane> wait:<cause>": how many. In a column
-- of their own, because the previous release does not know such counters.
ALTER TABLE rollups ADD COLUMN causes TEXT;
