-- JSONB array: values that several members take, by their numbers; each member's row names them
ALTER TABLE flows ADD COLUMN sources BLOB;
