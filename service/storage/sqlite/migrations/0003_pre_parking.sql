-- Records that failed for an instance that is there: it is parked behind them, and what comes later for it is queued.
-- An event may fail for several instances, so a dead letter is one of a record and an instance ('' of none).

CREATE TABLE dead_letter_of (
    topic          TEXT NOT NULL,
    partition      INTEGER NOT NULL,
    "offset"       INTEGER NOT NULL,
    timestamp      INTEGER NOT NULL,
    key            BLOB,
    headers        TEXT NOT NULL,
    value          BLOB,
    timestamp_type INTEGER NOT NULL,
    at             INTEGER NOT NULL,
    cause          TEXT NOT NULL,
    instance_id    TEXT NOT NULL,
    parks          INTEGER NOT NULL,
    PRIMARY KEY (topic, partition, "offset", instance_id)
) STRICT, WITHOUT ROWID;

INSERT INTO dead_letter_of
SELECT topic, partition, "offset", timestamp, key, headers, value, 0, at, cause, '', 0 FROM dead_letter;

DROP TABLE dead_letter;
ALTER TABLE dead_letter_of RENAME TO dead_letter;

CREATE INDEX dead_letter_instance ON dead_letter (instance_id);
CREATE UNIQUE INDEX dead_letter_head ON dead_letter (instance_id) WHERE parks = 1;

-- What waits for a parked instance, in order.
CREATE TABLE parked (
    seq            INTEGER PRIMARY KEY,
    topic          TEXT NOT NULL,
    partition      INTEGER NOT NULL,
    "offset"       INTEGER NOT NULL,
    timestamp      INTEGER NOT NULL,
    key            BLOB,
    headers        TEXT NOT NULL,
    value          BLOB,
    timestamp_type INTEGER NOT NULL,
    instance_id    TEXT NOT NULL,
    at             INTEGER NOT NULL
) STRICT;

CREATE UNIQUE INDEX parked_place ON parked (topic, partition, "offset", instance_id);
CREATE INDEX parked_instance ON parked (instance_id, seq);

-- Append only: who did what to a dead letter, and why; with what it was before.
CREATE TABLE dead_letter_audit (
    number         INTEGER PRIMARY KEY,
    at             INTEGER NOT NULL,
    who            TEXT NOT NULL,
    why            TEXT NOT NULL,
    action         TEXT NOT NULL,
    topic          TEXT NOT NULL,
    partition      INTEGER NOT NULL,
    "offset"       INTEGER NOT NULL,
    timestamp      INTEGER NOT NULL,
    key            BLOB,
    headers        TEXT NOT NULL,
    before         BLOB,
    timestamp_type INTEGER NOT NULL,
    cause          TEXT NOT NULL,
    instance_id    TEXT NOT NULL
) STRICT;

CREATE INDEX dead_letter_audit_place ON dead_letter_audit (topic, partition, "offset");

ALTER TABLE held_event ADD COLUMN timestamp_type INTEGER NOT NULL DEFAULT 0;
