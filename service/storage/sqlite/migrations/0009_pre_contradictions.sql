-- Replies that contradict an earlier one are few, and a person should look at them: they are found without a scan.

CREATE INDEX history_contradictory ON history (instance, at) WHERE verdict = 'contradictory';
