-- Whether no early event is buffered at addresses where an instance begins to wait. Who buffers one locks the stripe of
-- its address (class 0x5A6A) exclusively; the second query has a snapshot of its own, after the locks.

CREATE FUNCTION saga.none_held(stripes integer[], addresses text[]) RETURNS boolean LANGUAGE sql VOLATILE AS $$
    SELECT pg_advisory_xact_lock_shared(23146, stripe) FROM unnest(stripes) AS stripe;
    SELECT NOT EXISTS (SELECT 1 FROM saga.held_event WHERE address = ANY(addresses));
$$;
