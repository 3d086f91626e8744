-- Which database this is, and the Kafka cluster that it belongs to (NULL: not known yet). A copy keeps the id.

CREATE TABLE identity (
    id         TEXT NOT NULL,
    cluster_id TEXT
) STRICT;

INSERT INTO identity (id) SELECT lower(
    hex(randomblob(4)) || '-' || hex(randomblob(2)) || '-4' || substr(hex(randomblob(2)), 2) || '-'
    || substr('89AB', 1 + abs(random() % 4), 1) || substr(hex(randomblob(2)), 2) || '-' || hex(randomblob(6))
);

-- A lease of epoch 0 was never acquired: its partition was there when its topic was first seen. `topic_id` is Kafka's
-- id of the topic (NULL: not known). `is_set`: an operator has set the position, whatever the group has committed.

ALTER TABLE lease ADD COLUMN topic_id TEXT;
ALTER TABLE lease ADD COLUMN is_set INTEGER NOT NULL DEFAULT 0;

-- Append only: who has set a position, and why.
CREATE TABLE position_audit (
    number      INTEGER PRIMARY KEY,
    at          INTEGER NOT NULL,
    who         TEXT NOT NULL,
    why         TEXT NOT NULL,
    topic       TEXT NOT NULL,
    partition   INTEGER NOT NULL,
    topic_id    TEXT,
    before      INTEGER,
    next_offset INTEGER NOT NULL
) STRICT;
