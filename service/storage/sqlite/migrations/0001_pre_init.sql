-- The first schema. Times are microseconds since 1970, UTC. Rows that are written together lie together: an instance
-- has a number in the order of its start, so that the cost of a write does not grow with the number of finished ones.

CREATE TABLE instance (
    number      INTEGER PRIMARY KEY,
    id          TEXT NOT NULL UNIQUE,
    saga        TEXT NOT NULL,
    version     INTEGER NOT NULL,
    correlation TEXT NOT NULL,
    status      TEXT NOT NULL,
    data        TEXT NOT NULL,
    state       TEXT NOT NULL,
    trail       TEXT NOT NULL,
    revision    INTEGER NOT NULL,
    home        INTEGER NOT NULL,
    wake_at     INTEGER,
    started_at  INTEGER NOT NULL,
    ended_at    INTEGER
) STRICT;

CREATE INDEX instance_wake ON instance (wake_at) WHERE wake_at IS NOT NULL;
CREATE INDEX instance_live ON instance (status, saga, version) WHERE ended_at IS NULL;

-- Append only: one row a signal, ignored ones too.
CREATE TABLE history (
    instance     INTEGER NOT NULL REFERENCES instance (number),
    seq          INTEGER NOT NULL,
    at           INTEGER NOT NULL,
    kind         TEXT NOT NULL,
    verdict      TEXT NOT NULL,
    reason       TEXT,
    message_id   TEXT,
    message_type TEXT,
    causation_id TEXT,
    value        BLOB,
    decided      TEXT NOT NULL,
    topic        TEXT,
    partition    INTEGER,
    "offset"     INTEGER,
    trace_id     TEXT NOT NULL,
    span_id      TEXT NOT NULL,
    PRIMARY KEY (instance, seq)
) STRICT, WITHOUT ROWID;

CREATE INDEX history_place ON history (topic, partition, "offset") WHERE topic IS NOT NULL;

CREATE TABLE outbox (
    seq        INTEGER PRIMARY KEY,
    message_id TEXT NOT NULL,
    home       INTEGER NOT NULL,
    topic      TEXT NOT NULL,
    partition  INTEGER NOT NULL,
    key        BLOB,
    headers    TEXT NOT NULL,
    value      BLOB
) STRICT;

-- Who owns a partition, since which takeover, and the first offset that is not done.
CREATE TABLE lease (
    topic       TEXT NOT NULL,
    partition   INTEGER NOT NULL,
    epoch       INTEGER NOT NULL,
    owner       TEXT NOT NULL,
    next_offset INTEGER,
    PRIMARY KEY (topic, partition)
) STRICT, WITHOUT ROWID;

-- Events that have come before their instance; one event may concern the instances of several sagas.
CREATE TABLE held_event (
    topic       TEXT NOT NULL,
    partition   INTEGER NOT NULL,
    "offset"    INTEGER NOT NULL,
    timestamp   INTEGER NOT NULL,
    key         BLOB,
    headers     TEXT NOT NULL,
    value       BLOB,
    instance_id TEXT NOT NULL,
    at          INTEGER NOT NULL,
    expires_at  INTEGER NOT NULL,
    PRIMARY KEY (topic, partition, "offset", instance_id)
) STRICT, WITHOUT ROWID;

CREATE INDEX held_event_instance ON held_event (instance_id);
CREATE INDEX held_event_expires ON held_event (expires_at);

-- Records that cannot be read, as they came.
CREATE TABLE dead_letter (
    topic     TEXT NOT NULL,
    partition INTEGER NOT NULL,
    "offset"  INTEGER NOT NULL,
    timestamp INTEGER NOT NULL,
    key       BLOB,
    headers   TEXT NOT NULL,
    value     BLOB,
    at        INTEGER NOT NULL,
    cause     TEXT NOT NULL,
    PRIMARY KEY (topic, partition, "offset")
) STRICT, WITHOUT ROWID;

-- Records that could be read and have reached no instance.
CREATE TABLE verdict (
    topic        TEXT NOT NULL,
    partition    INTEGER NOT NULL,
    "offset"     INTEGER NOT NULL,
    at           INTEGER NOT NULL,
    verdict      TEXT NOT NULL,
    reason       TEXT NOT NULL,
    message_id   TEXT,
    message_type TEXT,
    PRIMARY KEY (topic, partition, "offset")
) STRICT, WITHOUT ROWID;
