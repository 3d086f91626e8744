-- A database of schema 3, as the tests' own sagas wrote it then: the instance `bad` and the hotel booking of t-1 are parked,
-- and the booking of t-3 runs. Parking and the command that started a child stood in the trace context.
BEGIN TRANSACTION;
CREATE TABLE awaited_event (
    address     TEXT NOT NULL,
    instance_id TEXT NOT NULL,
    PRIMARY KEY (address, instance_id)
) STRICT, WITHOUT ROWID;
CREATE TABLE "dead_letter" (
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
INSERT INTO "dead_letter" VALUES('saga.replies.v1',0,0,1767225600000,X'626164','[["ce_specversion","1.0"],["ce_id","reply-d097cde8-5e64-5152-9e71-c90d9974a535"],["ce_source","/test"],["ce_type","made.did.v1"],["ce_correlationid","2d1c6bbb-faed-5c3b-b36d-412b5fcf4f22"],["ce_causationid","d097cde8-5e64-5152-9e71-c90d9974a535"],["traceparent","00-2d1c6bbbfaed5c3bb36d412b5fcf4f22-839050efbc3d743e-01"]]',X'7B22776F7264223A2261227D',0,1767268800000000,'the saga raised ArithmeticError: on purpose','2d1c6bbb-faed-5c3b-b36d-412b5fcf4f22',1);
INSERT INTO "dead_letter" VALUES('saga.replies.v1',0,4,1767225600000,X'742D31','[["ce_specversion","1.0"],["ce_id","reply-1340366b-f04c-57d7-98fb-ca9e3cefe02a"],["ce_source","/test"],["ce_type","saga.done.v1"],["ce_correlationid","bf8d954b-9bb3-52c3-9cb3-89976db7b78a"],["ce_causationid","1340366b-f04c-57d7-98fb-ca9e3cefe02a"],["traceparent","00-7acdc58e35065e42aff4467252b9db44-4ad4f6a03cf9d935-01"]]',X'7B7D',0,1767268800000000,'the saga raised ArithmeticError: on purpose','bf8d954b-9bb3-52c3-9cb3-89976db7b78a',1);
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
CREATE TABLE held_event (
    topic       TEXT NOT NULL,
    partition   INTEGER NOT NULL,
    "offset"    INTEGER NOT NULL,
    timestamp   INTEGER NOT NULL,
    key         BLOB,
    headers     TEXT NOT NULL,
    value       BLOB,
    address TEXT NOT NULL,
    at          INTEGER NOT NULL,
    expires_at  INTEGER NOT NULL, timestamp_type INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (topic, partition, "offset", address)
) STRICT, WITHOUT ROWID;
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
INSERT INTO "history" VALUES(1,1,1767268800000000,'start','applied',NULL,'made.begun.v1-bad','made.begun.v1',NULL,X'7B226B6579223A22626164222C22636F696E73223A307D','{"status":"running","sent":[["a","forward",1,"d097cde8-5e64-5152-9e71-c90d9974a535"],["b","forward",1,"7a87dd4f-d945-5402-b7a1-66c62bb8ab9a"],["c","forward",1,"18771990-93e1-57ac-a402-90adb5907bc6"]]}','made.events.v1',0,0,'2d1c6bbbfaed5c3bb36d412b5fcf4f22','e8c04d27559a86be');
INSERT INTO "history" VALUES(2,1,1767268800000000,'start','applied',NULL,'made.begun.v1-good','made.begun.v1',NULL,X'7B226B6579223A22676F6F64222C22636F696E73223A307D','{"status":"running","sent":[["a","forward",1,"9d046931-effe-52c7-9ba2-6a563f59b74d"],["b","forward",1,"1ef3d506-0c08-5bde-b4ea-f9b8ea83a227"],["c","forward",1,"2ff9ff8d-873f-572c-9aec-695fe0e61c9f"]]}','made.events.v1',0,1,'d9f5bf1ad706583aa6e83eb9d20fc55f','d849fe418ba809b7');
INSERT INTO "history" VALUES(2,2,1767268800000000,'answer','applied',NULL,'reply-9d046931-effe-52c7-9ba2-6a563f59b74d','made.did.v1','9d046931-effe-52c7-9ba2-6a563f59b74d',X'7B22776F7264223A2261227D','{"status":"running"}','saga.replies.v1',0,2,'d9f5bf1ad706583aa6e83eb9d20fc55f','6a9f9a261d99c951');
INSERT INTO "history" VALUES(3,1,1767268800000000,'start','applied',NULL,'trips.trip-asked.v1-t-1','trips.trip-asked.v1',NULL,X'7B2274726970223A22742D31227D','{"status":"running","sent":[["hotel","forward",1,"937efd7f-9b80-58d0-a706-9bb15857fc75"]]}','trips.events.v1',0,0,'7acdc58e35065e42aff4467252b9db44','58f1d8320addbaa9');
INSERT INTO "history" VALUES(4,1,1767268800000000,'start','applied',NULL,'937efd7f-9b80-58d0-a706-9bb15857fc75','hotels.book.v1','trips.trip-asked.v1-t-1',X'7B2274726970223A22742D31227D','{"status":"running","sent":[["hold-room","forward",1,"1340366b-f04c-57d7-98fb-ca9e3cefe02a"]]}','hotels.commands.v1',0,0,'7acdc58e35065e42aff4467252b9db44','0bfba8dac3203afa');
INSERT INTO "history" VALUES(5,1,1767268800000000,'start','applied',NULL,'trips.trip-asked.v1-t-3','trips.trip-asked.v1',NULL,X'7B2274726970223A22742D33227D','{"status":"running","sent":[["hotel","forward",1,"d5b15b50-9b40-5653-872b-8e5aafe4304b"]]}','trips.events.v1',0,1,'75b8017bcb645ecaa14deeb8d7186bcd','eecfbf6d5fd6455b');
INSERT INTO "history" VALUES(6,1,1767268800000000,'start','applied',NULL,'d5b15b50-9b40-5653-872b-8e5aafe4304b','hotels.book.v1','trips.trip-asked.v1-t-3',X'7B2274726970223A22742D33227D','{"status":"running","sent":[["hold-room","forward",1,"1c260e5b-4856-5252-9607-843bd0e3db4a"]]}','hotels.commands.v1',0,1,'75b8017bcb645ecaa14deeb8d7186bcd','713dadf9c2362ce8');
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
INSERT INTO "instance" VALUES(1,'2d1c6bbb-faed-5c3b-b36d-412b5fcf4f22','made',1,'bad','running','{"key":"bad","coins":0,"items":[],"seen":[]}','{"status":"running","steps":{"a":{"forward":{"progress":"asked","attempt":1,"sendings":1,"command_id":"d097cde8-5e64-5152-9e71-c90d9974a535","asked_at":"2026-01-01T12:00:00Z","due_at":"2026-01-01T12:05:00Z","payload":"{\"key\":\"bad\",\"seen\":[]}"}},"b":{"forward":{"progress":"asked","attempt":1,"sendings":1,"command_id":"7a87dd4f-d945-5402-b7a1-66c62bb8ab9a","asked_at":"2026-01-01T12:00:00Z","due_at":"2026-01-01T12:05:00Z","payload":"{\"key\":\"bad\",\"seen\":[]}"}},"c":{"forward":{"progress":"asked","attempt":1,"sendings":1,"command_id":"18771990-93e1-57ac-a402-90adb5907bc6","asked_at":"2026-01-01T12:00:00Z","due_at":"2026-01-01T12:05:00Z","payload":"{\"key\":\"bad\",\"seen\":[]}"}}},"choices":{},"started_at":"2026-01-01T12:00:00Z"}','{"root":"00-2d1c6bbbfaed5c3bb36d412b5fcf4f22-e8c04d27559a86be-01","asks":{"d097cde8-5e64-5152-9e71-c90d9974a535":["00-2d1c6bbbfaed5c3bb36d412b5fcf4f22-839050efbc3d743e-01","2026-01-01T12:00:00Z"],"7a87dd4f-d945-5402-b7a1-66c62bb8ab9a":["00-2d1c6bbbfaed5c3bb36d412b5fcf4f22-0999b2163c8ba017-01","2026-01-01T12:00:00Z"],"18771990-93e1-57ac-a402-90adb5907bc6":["00-2d1c6bbbfaed5c3bb36d412b5fcf4f22-a0cea802a35c9c8b-01","2026-01-01T12:00:00Z"]},"last":"made.begun.v1-bad","parked":true}',1,1,1767269100000000,1767268800000000,NULL);
INSERT INTO "instance" VALUES(2,'d9f5bf1a-d706-583a-a6e8-3eb9d20fc55f','made',1,'good','running','{"key":"good","coins":0,"items":[],"seen":["a:a"]}','{"status":"running","steps":{"a":{"forward":{"progress":"done","attempt":1,"sendings":1,"command_id":"9d046931-effe-52c7-9ba2-6a563f59b74d","asked_at":"2026-01-01T12:00:00Z"}},"b":{"forward":{"progress":"asked","attempt":1,"sendings":1,"command_id":"1ef3d506-0c08-5bde-b4ea-f9b8ea83a227","asked_at":"2026-01-01T12:00:00Z","due_at":"2026-01-01T12:05:00Z","payload":"{\"key\":\"good\",\"seen\":[]}"}},"c":{"forward":{"progress":"asked","attempt":1,"sendings":1,"command_id":"2ff9ff8d-873f-572c-9aec-695fe0e61c9f","asked_at":"2026-01-01T12:00:00Z","due_at":"2026-01-01T12:05:00Z","payload":"{\"key\":\"good\",\"seen\":[]}"}}},"choices":{},"started_at":"2026-01-01T12:00:00Z"}','{"root":"00-d9f5bf1ad706583aa6e83eb9d20fc55f-d849fe418ba809b7-01","asks":{"1ef3d506-0c08-5bde-b4ea-f9b8ea83a227":["00-d9f5bf1ad706583aa6e83eb9d20fc55f-af3b088b9261a9f9-01","2026-01-01T12:00:00Z"],"2ff9ff8d-873f-572c-9aec-695fe0e61c9f":["00-d9f5bf1ad706583aa6e83eb9d20fc55f-0d316182cec865b8-01","2026-01-01T12:00:00Z"]},"last":"reply-9d046931-effe-52c7-9ba2-6a563f59b74d"}',2,0,1767269100000000,1767268800000000,NULL);
INSERT INTO "instance" VALUES(3,'7acdc58e-3506-5e42-aff4-467252b9db44','trip',1,'t-1','running','{"trip":"t-1","words":[]}','{"status":"running","steps":{"hotel":{"forward":{"progress":"asked","attempt":1,"sendings":1,"command_id":"937efd7f-9b80-58d0-a706-9bb15857fc75","asked_at":"2026-01-01T12:00:00Z","due_at":"2026-01-01T12:05:00Z","payload":"{\"trip\":\"t-1\"}"}}},"choices":{},"started_at":"2026-01-01T12:00:00Z"}','{"root":"00-7acdc58e35065e42aff4467252b9db44-58f1d8320addbaa9-01","asks":{"937efd7f-9b80-58d0-a706-9bb15857fc75":["00-7acdc58e35065e42aff4467252b9db44-34845e5690bfd47a-01","2026-01-01T12:00:00Z"]},"last":"trips.trip-asked.v1-t-1"}',1,1,1767269100000000,1767268800000000,NULL);
INSERT INTO "instance" VALUES(4,'bf8d954b-9bb3-52c3-9cb3-89976db7b78a','hotel-booking',1,'t-1','running','{"trip":"t-1","words":[]}','{"status":"running","steps":{"hold-room":{"forward":{"progress":"asked","attempt":1,"sendings":1,"command_id":"1340366b-f04c-57d7-98fb-ca9e3cefe02a","asked_at":"2026-01-01T12:00:00Z","due_at":"2026-01-01T12:05:00Z","payload":"{\"trip\":\"t-1\"}"}}},"choices":{},"started_at":"2026-01-01T12:00:00Z"}','{"root":"00-7acdc58e35065e42aff4467252b9db44-0bfba8dac3203afa-01","asks":{"1340366b-f04c-57d7-98fb-ca9e3cefe02a":["00-7acdc58e35065e42aff4467252b9db44-4ad4f6a03cf9d935-01","2026-01-01T12:00:00Z"]},"last":"937efd7f-9b80-58d0-a706-9bb15857fc75","asked":["937efd7f-9b80-58d0-a706-9bb15857fc75","saga.replies.v1","7acdc58e-3506-5e42-aff4-467252b9db44","t-1"],"parked":true}',1,1,1767269100000000,1767268800000000,NULL);
INSERT INTO "instance" VALUES(5,'75b8017b-cb64-5eca-a14d-eeb8d7186bcd','trip',1,'t-3','running','{"trip":"t-3","words":[]}','{"status":"running","steps":{"hotel":{"forward":{"progress":"asked","attempt":1,"sendings":1,"command_id":"d5b15b50-9b40-5653-872b-8e5aafe4304b","asked_at":"2026-01-01T12:00:00Z","due_at":"2026-01-01T12:05:00Z","payload":"{\"trip\":\"t-3\"}"}}},"choices":{},"started_at":"2026-01-01T12:00:00Z"}','{"root":"00-75b8017bcb645ecaa14deeb8d7186bcd-eecfbf6d5fd6455b-01","asks":{"d5b15b50-9b40-5653-872b-8e5aafe4304b":["00-75b8017bcb645ecaa14deeb8d7186bcd-1fad73d711ff0d19-01","2026-01-01T12:00:00Z"]},"last":"trips.trip-asked.v1-t-3"}',1,1,1767269100000000,1767268800000000,NULL);
INSERT INTO "instance" VALUES(6,'6769f564-20fa-5bad-8b73-6a38db12d812','hotel-booking',1,'t-3','running','{"trip":"t-3","words":[]}','{"status":"running","steps":{"hold-room":{"forward":{"progress":"asked","attempt":1,"sendings":1,"command_id":"1c260e5b-4856-5252-9607-843bd0e3db4a","asked_at":"2026-01-01T12:00:00Z","due_at":"2026-01-01T12:05:00Z","payload":"{\"trip\":\"t-3\"}"}}},"choices":{},"started_at":"2026-01-01T12:00:00Z"}','{"root":"00-75b8017bcb645ecaa14deeb8d7186bcd-713dadf9c2362ce8-01","asks":{"1c260e5b-4856-5252-9607-843bd0e3db4a":["00-75b8017bcb645ecaa14deeb8d7186bcd-c04414782b98abe3-01","2026-01-01T12:00:00Z"]},"last":"d5b15b50-9b40-5653-872b-8e5aafe4304b","asked":["d5b15b50-9b40-5653-872b-8e5aafe4304b","saga.replies.v1","75b8017b-cb64-5eca-a14d-eeb8d7186bcd","t-3"]}',1,1,1767269100000000,1767268800000000,NULL);
CREATE TABLE lease (
    topic       TEXT NOT NULL,
    partition   INTEGER NOT NULL,
    epoch       INTEGER NOT NULL,
    owner       TEXT NOT NULL,
    next_offset INTEGER,
    PRIMARY KEY (topic, partition)
) STRICT, WITHOUT ROWID;
INSERT INTO "lease" VALUES('hotels.commands.v1',0,1,'test',2);
INSERT INTO "lease" VALUES('made.events.v1',0,1,'test',2);
INSERT INTO "lease" VALUES('saga.replies.v1',0,1,'test',5);
INSERT INTO "lease" VALUES('saga.replies.v1',1,1,'test',NULL);
INSERT INTO "lease" VALUES('trips.events.v1',0,1,'test',2);
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
INSERT INTO "parked" VALUES(1,'saga.replies.v1',0,1,1767225600000,X'626164','[["ce_specversion","1.0"],["ce_id","reply-7a87dd4f-d945-5402-b7a1-66c62bb8ab9a"],["ce_source","/test"],["ce_type","made.did.v1"],["ce_correlationid","2d1c6bbb-faed-5c3b-b36d-412b5fcf4f22"],["ce_causationid","7a87dd4f-d945-5402-b7a1-66c62bb8ab9a"],["traceparent","00-2d1c6bbbfaed5c3bb36d412b5fcf4f22-0999b2163c8ba017-01"]]',X'7B22776F7264223A2262227D',0,'2d1c6bbb-faed-5c3b-b36d-412b5fcf4f22',1767268800000000);
INSERT INTO "parked" VALUES(2,'saga.replies.v1',0,3,1767225600000,X'626164','[["ce_specversion","1.0"],["ce_id","reply-18771990-93e1-57ac-a402-90adb5907bc6"],["ce_source","/test"],["ce_type","made.did.v1"],["ce_correlationid","2d1c6bbb-faed-5c3b-b36d-412b5fcf4f22"],["ce_causationid","18771990-93e1-57ac-a402-90adb5907bc6"],["traceparent","00-2d1c6bbbfaed5c3bb36d412b5fcf4f22-a0cea802a35c9c8b-01"]]',X'7B22776F7264223A2263227D',0,'2d1c6bbb-faed-5c3b-b36d-412b5fcf4f22',1767268800000000);
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
CREATE INDEX instance_wake ON instance (wake_at) WHERE wake_at IS NOT NULL;
CREATE INDEX instance_live ON instance (status, saga, version) WHERE ended_at IS NULL;
CREATE INDEX history_place ON history (topic, partition, "offset") WHERE topic IS NOT NULL;
CREATE INDEX held_event_expires ON held_event (expires_at);
CREATE INDEX held_event_address ON held_event (address);
CREATE INDEX dead_letter_instance ON dead_letter (instance_id);
CREATE UNIQUE INDEX dead_letter_head ON dead_letter (instance_id) WHERE parks = 1;
CREATE UNIQUE INDEX parked_place ON parked (topic, partition, "offset", instance_id);
CREATE INDEX parked_instance ON parked (instance_id, seq);
CREATE INDEX dead_letter_audit_place ON dead_letter_audit (topic, partition, "offset");
COMMIT;
PRAGMA user_version = 3;
