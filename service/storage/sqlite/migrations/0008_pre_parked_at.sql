-- Since when an instance is parked is a part of its state, and parking a row of its history: its timers stand still from
-- then on. Both are written here for those that are parked now; one that has ended is no longer parked.

CREATE TEMP TABLE parking AS
SELECT instance.number, dead_letter.at,
       dead_letter.topic || ':' || dead_letter.partition || ':' || dead_letter."offset" AS record
FROM instance JOIN dead_letter ON dead_letter.instance_id = instance.id AND dead_letter.parks = 1
WHERE instance.parked = 1 AND instance.ended_at IS NULL;

UPDATE instance
SET revision = revision + 1,
    wake_at  = NULL,
    state    = json_set(state, '$.parked_at', (
        SELECT strftime('%Y-%m-%dT%H:%M:%S', at / 1000000, 'unixepoch')
            || iif(at % 1000000, printf('.%06d', at % 1000000), '') || 'Z'
        FROM parking WHERE parking.number = instance.number))
WHERE number IN (SELECT number FROM parking);

INSERT INTO history (instance, seq, at, kind, verdict, value, decided, trace_id, span_id)
SELECT instance.number, instance.revision, parking.at, 'park', 'applied',
       CAST(json_object('record', parking.record) AS BLOB), json_object('status', instance.status),
       substr(json_extract(instance.trail, '$.root'), 4, 32), substr(json_extract(instance.trail, '$.root'), 37, 16)
FROM instance JOIN parking ON parking.number = instance.number;

DROP TABLE parking;
ALTER TABLE instance DROP COLUMN parked;
