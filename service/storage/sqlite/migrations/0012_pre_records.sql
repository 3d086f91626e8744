-- Records that reached no instance are listed, the newest first, and found by their key: what became of an order that
-- has no instance? Verdicts have no key from before.

ALTER TABLE verdict ADD COLUMN key BLOB;

CREATE INDEX verdict_key ON verdict (key) WHERE key IS NOT NULL;
CREATE INDEX verdict_at ON verdict (at);
CREATE INDEX held_event_key ON held_event (key) WHERE key IS NOT NULL;
CREATE INDEX held_event_at ON held_event (at);
