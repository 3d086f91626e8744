-- Headers of the outbox are written once and read at most once, so they are MessagePack. Rows from before keep their JSON
-- text: a column of type ANY holds both, each as what it is.

CREATE TABLE outbox_of (
    seq        INTEGER PRIMARY KEY,
    message_id TEXT NOT NULL,
    home       INTEGER NOT NULL,
    topic      TEXT NOT NULL,
    partition  INTEGER NOT NULL,
    key        BLOB,
    headers    ANY NOT NULL,
    value      BLOB
) STRICT;

INSERT INTO outbox_of SELECT seq, message_id, home, topic, partition, key, headers, value FROM outbox;

DROP TABLE outbox;
ALTER TABLE outbox_of RENAME TO outbox;
