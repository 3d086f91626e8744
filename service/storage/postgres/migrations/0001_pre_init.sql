-- The first schema. All text is compared by its bytes; every statement of the program names its columns.

CREATE TABLE saga.identity (
    id         text COLLATE "C" NOT NULL,
    cluster_id text COLLATE "C"
);
COMMENT ON TABLE saga.identity IS 'Which database this is, and the Kafka cluster that it belongs to. A copy keeps the id.';

INSERT INTO saga.identity (id) VALUES (gen_random_uuid()::text);

-- Who owns a partition, since which takeover, and the first offset that is not done. With the epoch in a unique index a
-- takeover changes a key: a timer's FOR KEY SHARE keeps it waiting, and lets the offset move.
CREATE TABLE saga.lease (
    topic       text COLLATE "C" NOT NULL,
    partition   integer NOT NULL,
    epoch       bigint NOT NULL,
    owner       text COLLATE "C" NOT NULL,
    next_offset bigint,
    topic_id    text COLLATE "C",
    is_set      boolean NOT NULL DEFAULT false,
    PRIMARY KEY (topic, partition),
    UNIQUE (topic, partition, epoch)
) WITH (fillfactor = 20);

CREATE TABLE saga.position_audit (
    number      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at          timestamptz NOT NULL,
    who         text COLLATE "C" NOT NULL,
    why         text COLLATE "C" NOT NULL,
    topic       text COLLATE "C" NOT NULL,
    partition   integer NOT NULL,
    topic_id    text COLLATE "C",
    before      bigint,
    next_offset bigint NOT NULL
);

-- Coordinators take blocks of numbers, so numbers follow the order of the starts only roughly, and have gaps.
CREATE SEQUENCE saga.instance_number INCREMENT BY 1000;

-- `open_commands` are the commands whose reply is awaited, each STEP/DIRECTION; `open_sendings` is how often the most
-- repeated unsettled command was sent. Data and state are text: jsonb would change their bytes.
CREATE TABLE saga.instance (
    number        bigint NOT NULL UNIQUE,
    id            uuid PRIMARY KEY,
    saga          text COLLATE "C" NOT NULL,
    version       integer NOT NULL,
    correlation   text COLLATE "C" NOT NULL,
    status        text COLLATE "C" NOT NULL,
    data          text COLLATE "C" NOT NULL,
    state         text COLLATE "C" NOT NULL,
    trail         text COLLATE "C" NOT NULL,
    parent        text COLLATE "C",
    revision      bigint NOT NULL,
    home          integer NOT NULL,
    wake_at       timestamptz,
    open_commands text[] COLLATE "C" NOT NULL,
    open_sendings integer NOT NULL,
    started_at    timestamptz NOT NULL,
    ended_at      timestamptz
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_cost_delay = 0);

CREATE INDEX instance_due ON saga.instance (home, wake_at) WHERE wake_at IS NOT NULL;
CREATE INDEX instance_live ON saga.instance (saga, version, status) WHERE ended_at IS NULL;

-- Append only: one row a signal, ignored ones too. Parts of it can be dropped whole once instances are retained for a
-- limited time; until then one part holds all.
CREATE TABLE saga.history (
    instance       bigint NOT NULL,
    seq            bigint NOT NULL,
    at             timestamptz NOT NULL,
    kind           text COLLATE "C" NOT NULL,
    verdict        text COLLATE "C" NOT NULL,
    reason         text COLLATE "C",
    message_id     text COLLATE "C",
    message_type   text COLLATE "C",
    message_source text COLLATE "C",
    causation_id   text COLLATE "C",
    value          bytea,
    decided        text COLLATE "C" NOT NULL,
    topic          text COLLATE "C",
    partition      integer,
    "offset"       bigint,
    trace_id       text COLLATE "C" NOT NULL,
    span_id        text COLLATE "C" NOT NULL,
    PRIMARY KEY (instance, seq)
) PARTITION BY RANGE (instance);

CREATE TABLE saga.history_default PARTITION OF saga.history DEFAULT;

CREATE INDEX history_place ON saga.history (topic, partition, "offset") WHERE topic IS NOT NULL;
CREATE INDEX history_contradictory ON saga.history (instance, at) WHERE verdict = 'contradictory';

-- `seq` is taken while the row of its instance is locked, so an instance's rows are in order: no session may take numbers
-- in advance (CACHE 1).
CREATE TABLE saga.outbox (
    seq        bigint GENERATED ALWAYS AS IDENTITY (CACHE 1) PRIMARY KEY,
    message_id text COLLATE "C" NOT NULL,
    home       integer NOT NULL,
    topic      text COLLATE "C" NOT NULL,
    partition  integer NOT NULL,
    key        bytea,
    headers    bytea NOT NULL,
    value      bytea
) WITH (
    autovacuum_vacuum_threshold = 5000, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_cost_delay = 0
);

-- Events that have come before an instance waits for them; one may concern several instances.
CREATE TABLE saga.held_event (
    topic          text COLLATE "C" NOT NULL,
    partition      integer NOT NULL,
    "offset"       bigint NOT NULL,
    timestamp      bigint NOT NULL,
    key            bytea,
    headers        text COLLATE "C" NOT NULL,
    value          bytea,
    timestamp_type smallint NOT NULL,
    address        text COLLATE "C" NOT NULL,
    at             timestamptz NOT NULL,
    expires_at     timestamptz NOT NULL,
    PRIMARY KEY (topic, partition, "offset", address)
);

CREATE INDEX held_event_address ON saga.held_event (address);
CREATE INDEX held_event_expires ON saga.held_event (expires_at);

CREATE TABLE saga.awaited_event (
    address     text COLLATE "C" NOT NULL,
    instance_id text COLLATE "C" NOT NULL,
    PRIMARY KEY (address, instance_id)
);

-- A dead letter is one of a record and an instance ('' of none), which may be parked behind it.
CREATE TABLE saga.dead_letter (
    topic          text COLLATE "C" NOT NULL,
    partition      integer NOT NULL,
    "offset"       bigint NOT NULL,
    timestamp      bigint NOT NULL,
    key            bytea,
    headers        text COLLATE "C" NOT NULL,
    value          bytea,
    timestamp_type smallint NOT NULL,
    at             timestamptz NOT NULL,
    cause          text COLLATE "C" NOT NULL,
    instance_id    text COLLATE "C" NOT NULL,
    parks          boolean NOT NULL,
    PRIMARY KEY (topic, partition, "offset", instance_id)
);

CREATE INDEX dead_letter_instance ON saga.dead_letter (instance_id);
CREATE UNIQUE INDEX dead_letter_head ON saga.dead_letter (instance_id) WHERE parks;

-- What waits for a parked instance, in order (CACHE 1, as in the outbox).
CREATE TABLE saga.parked (
    seq            bigint GENERATED ALWAYS AS IDENTITY (CACHE 1) PRIMARY KEY,
    topic          text COLLATE "C" NOT NULL,
    partition      integer NOT NULL,
    "offset"       bigint NOT NULL,
    timestamp      bigint NOT NULL,
    key            bytea,
    headers        text COLLATE "C" NOT NULL,
    value          bytea,
    timestamp_type smallint NOT NULL,
    instance_id    text COLLATE "C" NOT NULL,
    at             timestamptz NOT NULL,
    UNIQUE (topic, partition, "offset", instance_id)
);

CREATE INDEX parked_instance ON saga.parked (instance_id, seq);

-- Append only: who did what to a dead letter, and why; with what it was before.
CREATE TABLE saga.dead_letter_audit (
    number         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    topic          text COLLATE "C" NOT NULL,
    partition      integer NOT NULL,
    "offset"       bigint NOT NULL,
    timestamp      bigint NOT NULL,
    key            bytea,
    headers        text COLLATE "C" NOT NULL,
    before         bytea,
    timestamp_type smallint NOT NULL,
    at             timestamptz NOT NULL,
    who            text COLLATE "C" NOT NULL,
    why            text COLLATE "C" NOT NULL,
    action         text COLLATE "C" NOT NULL,
    cause          text COLLATE "C" NOT NULL,
    instance_id    text COLLATE "C" NOT NULL
);

CREATE INDEX dead_letter_audit_place ON saga.dead_letter_audit (topic, partition, "offset");

-- Records that could be read and have reached no instance.
CREATE TABLE saga.verdict (
    topic        text COLLATE "C" NOT NULL,
    partition    integer NOT NULL,
    "offset"     bigint NOT NULL,
    at           timestamptz NOT NULL,
    verdict      text COLLATE "C" NOT NULL,
    reason       text COLLATE "C" NOT NULL,
    message_id   text COLLATE "C",
    message_type text COLLATE "C",
    PRIMARY KEY (topic, partition, "offset")
);

-- Instances of which more was decided than this database contains, since it went back: they stall when they start.
CREATE TABLE saga.doubt (
    instance_id text COLLATE "C" PRIMARY KEY,
    reason      text COLLATE "C" NOT NULL
);

-- The outline of each version of a saga as its instances started by it.
CREATE TABLE saga.outline (
    saga    text COLLATE "C" NOT NULL,
    version integer NOT NULL,
    outline text COLLATE "C" NOT NULL,
    PRIMARY KEY (saga, version)
);
