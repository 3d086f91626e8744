CREATE TABLE IF NOT EXISTS saga_command (
    id TEXT PRIMARY KEY,
    state TEXT NOT NULL CHECK (state IN ('received', 'replied', 'blocked')),
    type TEXT,
    fingerprint BLOB,
    command BLOB,
    compensates TEXT,
    compensated_by TEXT,
    reply_type TEXT,
    reply BLOB,
    replied_at TEXT
) STRICT;
CREATE TABLE IF NOT EXISTS saga_outbox (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    topic TEXT NOT NULL,
    key BLOB,
    value BLOB,
    headers BLOB NOT NULL
) STRICT;
