-- What is secret in an input or a result: taken out of it, sealed, and kept beside it. Null where nothing is, which costs
-- a row nothing that it did not cost before.
ALTER TABLE tasks ADD COLUMN sealed TEXT;
ALTER TABLE tasks ADD COLUMN sealed_result TEXT;

-- Of the input.
ALTER TABLE schedules ADD COLUMN sealed TEXT;
