"""Faults that the store and the publisher might have: what simulated worlds replace is looked for by tests alone."""

from tests.meta.proof._support.seeding import Edit, Seed


def in_text(bug: str, function: str, old: str, new: str) -> Seed:
    """A fault in a string literal: a statement of SQL."""
    return Seed(bug, function, old, new, text=True)


SEEDS = (
    # --- the fence in SQL
    in_text("the epoch is read but not compared", "_ADVANCE", " AND lease.epoch = move.epoch", ""),
    in_text("the expected offset is not compared", "_ADVANCE", "lease.next_offset IS move.expected AND ", ""),
    in_text("an offset goes back", "_ADVANCE", " AND ifnull(lease.next_offset, 0) <= move.next_offset", ""),
    in_text(
        "a takeover begins no epoch",
        "_ACQUIRE",
        "DO UPDATE SET epoch = epoch + 1, owner",
        "DO UPDATE SET owner",
    ),
    in_text(
        "timers fire without the home's lease",
        "SqliteTransaction.load_due",
        "AND home IN (",
        "AND 1 OR home IN (",
    ),
    in_text(
        "timers fire for a lease of an older epoch",
        "SqliteTransaction.load_due",
        " AND epoch = json_extract(held.value, '$[2]'))",
        ")",
    ),
    # --- one transaction
    in_text(
        "the revision is not compared",
        "_instances",
        "WHERE id = ? AND revision = ?",
        "WHERE id = ? AND 0 < ?",
    ),
    Seed("a revision that does not match is not reported", "run", "$must_match and $changed != len($rows)", "False"),
    in_text(
        "a second start replaces the first",
        "_instances",
        "INSERT INTO instance",
        "INSERT OR REPLACE INTO instance",
    ),
    in_text(
        "a row of the history may be replaced",
        "_HISTORY",
        "INSERT INTO history",
        "INSERT OR REPLACE INTO history",
    ),
    Seed(
        "a dead letter's failure is ignored",
        "run_all",
        "run($connection, *$statement)",
        "try:\n    run($connection, *$statement)\n"
        "except sqlite3.Error:\n    if 'dead_letter' not in $statement.sql:\n        raise",
    ),
    in_text(
        "acknowledged rows stay in the table",
        "statements_of",
        "DELETE FROM outbox WHERE seq BETWEEN ? AND ?",
        "DELETE FROM outbox WHERE seq BETWEEN -? AND -?",
    ),
    Seed(
        "changed data are not written",
        "_mutable_columns",
        "$loaded is not None and $loaded.instance.data is $data",
        "$loaded is not None",
    ),
    Seed("rows between acknowledged ones are deleted", "_ranges", "$ranges and $number == $last + 1", "$ranges"),
    in_text(
        "a released event stays in the table",
        "_unmatched_rows",
        "DELETE FROM held_event WHERE topic = ?",
        "DELETE FROM held_event WHERE topic <> ?",
    ),
    in_text(
        "a subscription that has ended stays in the table",
        "_subscriptions",
        "DELETE FROM awaited_event WHERE address = ?",
        "DELETE FROM awaited_event WHERE address <> ?",
    ),
    in_text("synchronous = NORMAL", "_PRAGMAS", "synchronous = FULL", "synchronous = NORMAL"),
    in_text("synchronous = OFF", "_PRAGMAS", "synchronous = FULL", "synchronous = OFF"),
    Seed("SQLite's mode is not looked at", "SqliteStore._open", "await _check_wal_mode(...)", "pass"),
    Seed(
        "a pragma is run for its first row",
        "SqliteStore._open",
        "$connection.execute_fetchall($pragma)",
        "$connection.execute($pragma)",
    ),
    Seed(
        "a migration is not one transaction",
        "migrate",
        "f'BEGIN IMMEDIATE;\\n{$sql}\\nPRAGMA user_version = {$number};\\nCOMMIT;'",
        "f'{$sql}\\nPRAGMA user_version = {$number};'",
    ),
    # --- a sync that fails
    Seed("after a failed sync it is tried again", "SqliteStore._failed", "self._unusable = $trouble", "pass"),
    Seed("a failed sync does not end the service", "SqliteStore.run_checkpoints", "sqlite3.Error", "Exception"),
    in_text("a checkpoint's failure is dropped", "_PRAGMAS", "wal_autocheckpoint = 0", "wal_autocheckpoint = 4000"),
    Seed("closing syncs again", "SqliteStore.close", "self._unusable", "False"),
    Seed("a WAL is taken for what it shows", "SqliteStore._open", "rewrite_wal(...)", "pass"),
    # --- the short form
    Seed("a batch is written without its leases", "_check", "leases.move(...)", "True"),
    Seed("a batch overlooks an early event", "_check", "$batch.fresh and $found", "False"),
    in_text("a batch that conflicts is committed in part", "commit", "ROLLBACK", "COMMIT"),
    Seed(
        "the commit of a batch is not awaited",
        "SqliteStore._commit_batch",
        "await $run(...)",
        "asyncio.ensure_future($run(...))",
    ),
    Seed(
        "the event loop waits for the disk without end",
        "BoundedWait.run",
        "$ended.acquire(timeout=$limit)",
        "$ended.acquire()",
    ),
    Seed("it waits for a slow disk each time", "BoundedWait.run", "self._waits_from = $end", "pass"),
    # --- one writer
    in_text("BEGIN is deferred", "SqliteStore._commit", "BEGIN IMMEDIATE", "BEGIN"),
    Seed("a cancellation splits a transaction", "SqliteStore._shielded", "asyncio.shield($task)", "$task"),
    in_text("what failed is committed", "SqliteStore._commit", "ROLLBACK", "COMMIT"),
    Seed(
        "transactions overlap",
        "SqliteStore._transact",
        "async with self._lock:\n    ...",
        "if True:\n    ...",
    ),
    Seed("two coordinators open one file", "acquire_lock", "fcntl.flock($file, $exclusive | $at_once)", "pass"),
    Seed("closing cuts off the last transaction", "SqliteStore.close", "await asyncio.wait($running)", "pass"),
    Seed("numbers begin at zero at each start", "_last_numbers", "Counters(...)", "Counters(0, 0)"),
    # --- the publisher
    Seed(
        "the producer is kept after a fatal error",
        "KafkaPublisher._finish",
        "isinstance($error, KafkaError) and not $error.retriable and $same",
        "False",
    ),
    Seed(
        "a batch is not awaited",
        "KafkaPublisher._post",
        "$acknowledged.add_done_callback(...)",
        "asyncio.get_running_loop().call_soon($acknowledged.cancel) and done(lane, count)",
    ),
    Seed(
        "a publication that has to wait has no limit",
        "KafkaPublisher._publish",
        "async with asyncio.timeout($limit):\n    ...",
        "if True:\n    ...",
    ),
    Seed(
        "a publication has no limit",
        "KafkaPublisher._post",
        "self._expiry = $loop.call_later(...)",
        "pass",
    ),
    Seed(
        "one limit that is reached ends all publications",
        "KafkaPublisher._expire",
        "$deadline > $loop.time()",
        "False",
    ),
    Seed("a full batch drops its row", "fill_batch", "$batch.record_count()", "len(rows)"),
    Seed("copies of a batch pile up", "post_batch", "$accumulator._batches.get($at)", "False"),
    Seed(
        "a producer is given what has no leader",
        "post_batch",
        "$client.cluster.leader_for_partition($at) in $none",
        "False",
    ),
    Seed(
        "a row that cannot be encoded fails the transaction that wrote it",
        "KafkaPublisher._post",
        "try:\n    ...\nexcept Exception:\n    return False",
        "if True:\n    ...",
    ),
    Seed(
        "a producer that has lost its task is kept",
        "KafkaPublisher._connect",
        "producer_error($producer)",
        "None",
        (Edit("KafkaPublisher._is_usable", "producer_error($producer)", "None"),),
    ),
    Seed(
        "a consumer that has lost a task is kept",
        "KafkaConsumer._connect",
        "consumer_error(self._consumer)",
        "None",
    ),
    # --- several writers on PostgreSQL
    in_text(
        "one statement checks no lease",
        "_statement",
        "CASE WHEN (SELECT count(*) FROM moved) = ",
        "CASE WHEN (SELECT count(*) FROM moved) <= ",
    ),
    in_text(
        "one statement compares no revision",
        "_statement",
        " AND i.revision = n.seen AND (",
        " AND 0 < n.seen AND (",
    ),
    Seed(
        "instances are locked in any order",
        "build",
        "sorted($changes.instances, key=$key)",
        "$changes.instances",
    ),
    Seed(
        "an address where nothing is found is not locked", "PostgresTransaction._lock", "stripes.stripes_of($of)", "[]"
    ),
    Seed("memory is believed beside other writers", "InstanceCache.load", "self._is_shared", "False"),
    in_text("a takeover does not wait for timers", "_OWNED", " FOR KEY SHARE OF l", ""),
    Seed("a transaction continues in another session", "PostgresSession._usable", "self._in_transaction", "False"),
)
