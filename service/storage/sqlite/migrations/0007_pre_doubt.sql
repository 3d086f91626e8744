-- Instances of which more was decided than this database contains, since it went back: they stall when they start.

CREATE TABLE doubt (
    instance_id TEXT NOT NULL PRIMARY KEY,
    reason      TEXT NOT NULL
) STRICT, WITHOUT ROWID;
