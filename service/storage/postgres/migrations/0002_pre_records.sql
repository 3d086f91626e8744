-- Records that reached no instance are listed, the newest first, and found by their key: what became of an order that
-- has no instance? Verdicts have no key from before.

ALTER TABLE saga.verdict ADD COLUMN key bytea;

CREATE INDEX verdict_key ON saga.verdict (key) WHERE key IS NOT NULL;
CREATE INDEX verdict_at ON saga.verdict (at);
CREATE INDEX held_event_key ON saga.held_event (key) WHERE key IS NOT NULL;
CREATE INDEX held_event_at ON saga.held_event (at);
