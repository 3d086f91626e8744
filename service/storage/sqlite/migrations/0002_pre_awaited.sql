-- Events that are awaited: held ones wait at an address, and instances may await one at an address not their own id.

ALTER TABLE held_event RENAME COLUMN instance_id TO address;
DROP INDEX held_event_instance;
CREATE INDEX held_event_address ON held_event (address);

CREATE TABLE awaited_event (
    address     TEXT NOT NULL,
    instance_id TEXT NOT NULL,
    PRIMARY KEY (address, instance_id)
) STRICT, WITHOUT ROWID;
