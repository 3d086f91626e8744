-- Whether an instance is parked, and the command that a child saga answers (JSON: id, reply topic, correlation id, key):
-- columns of their own. They stood in the trace context.

ALTER TABLE instance ADD COLUMN parked INTEGER NOT NULL DEFAULT 0;
ALTER TABLE instance ADD COLUMN parent TEXT;

UPDATE instance
SET parked = ifnull(json_extract(trail, '$.parked'), 0),
    parent = json_extract(trail, '$.asked'),
    trail  = json_remove(trail, '$.parked', '$.asked')
WHERE json_type(trail, '$.parked') IS NOT NULL OR json_type(trail, '$.asked') IS NOT NULL;
