-- Who sent the message of a signal: the id of an event is unique within its source only. Rows from before have none.

ALTER TABLE history ADD COLUMN message_source TEXT;
