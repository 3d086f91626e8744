"""Faults that the store and the publisher might have: what simulated worlds replace is looked for by tests alone."""

from tests.meta.proof.sowing import Seed

SQLITE = "service/storage/sqlite/store.py"
TRANSACTION = "service/storage/sqlite/transaction.py"
MIGRATIONS = "service/storage/sqlite/migrations.py"
WRITING_BACK = "service/storage/sqlite/checkpoint.py"
PUBLISHER = "service/kafka/publisher.py"

SEEDS = (
    # --- the fence in SQL
    Seed("the epoch is read but not compared", TRANSACTION, " AND lease.epoch = move.epoch", ""),
    Seed("the expected offset is not compared", TRANSACTION, "lease.next_offset IS move.expected AND ", ""),
    Seed("an offset goes back", TRANSACTION, " AND ifnull(lease.next_offset, 0) <= move.next_offset", ""),
    Seed("a takeover begins no epoch", TRANSACTION, "DO UPDATE SET epoch = epoch + 1, owner", "DO UPDATE SET owner"),
    Seed(
        "alarms ring without the home's lease",
        TRANSACTION,
        "WHERE wake_at <= ? AND home IN (",
        "WHERE wake_at <= ? AND 1 OR home IN (",
    ),
    Seed(
        "alarms ring for a lease of an older epoch", TRANSACTION, " AND epoch = json_extract(held.value, '$[2]'))", ")"
    ),
    # --- one transaction
    Seed("the revision is not compared", TRANSACTION, " WHERE id = ? AND revision = ?", " WHERE id = ? AND 0 < ?"),
    Seed(
        "a revision that does not fit is not told",
        "service/storage/sqlite/one_trip.py",
        "if must_match and changed != len(rows):",
        "if False:",
    ),
    Seed(
        "a second start replaces the first",
        TRANSACTION,
        '"INSERT INTO instance VALUES',
        '"INSERT OR REPLACE INTO instance VALUES',
    ),
    Seed(
        "a row of the history may be replaced",
        TRANSACTION,
        '"INSERT INTO history VALUES',
        '"INSERT OR REPLACE INTO history VALUES',
    ),
    Seed(
        "a dead letter's failure is ignored",
        "service/storage/sqlite/one_trip.py",
        "        run(connection, *statement)\n",
        "        try:\n            run(connection, *statement)\n"
        "        except sqlite3.Error:\n            if 'dead_letter' not in statement.sql:\n                raise\n",
    ),
    Seed(
        "acknowledged rows stay in the table",
        TRANSACTION,
        '"DELETE FROM outbox WHERE seq = ?"',
        '"DELETE FROM outbox WHERE seq = -?"',
    ),
    Seed(
        "a released event stays in the table",
        TRANSACTION,
        "'DELETE FROM held_event WHERE topic = ? AND",
        "'DELETE FROM held_event WHERE topic <> ? AND",
    ),
    Seed(
        "a wait that is over stays in the table",
        TRANSACTION,
        '"DELETE FROM awaited_event WHERE address = ?',
        '"DELETE FROM awaited_event WHERE address <> ?',
    ),
    Seed("synchronous = NORMAL", SQLITE, 'synchronous = FULL"', 'synchronous = NORMAL"'),
    Seed("synchronous = OFF", SQLITE, 'synchronous = FULL"', 'synchronous = OFF"'),
    Seed("SQLite's mode is not looked at", SQLITE, "await _check_wal_mode(self._writer, self._path)", "pass"),
    Seed("a pragma is run for its first row", SQLITE, "execute_fetchall(pragma)", "execute(pragma)"),
    Seed(
        "a migration is not one transaction",
        MIGRATIONS,
        'f"BEGIN IMMEDIATE;\\n{sql}\\nPRAGMA user_version = {number};\\nCOMMIT;"',
        'f"{sql}\\nPRAGMA user_version = {number};"',
    ),
    # --- a sync that fails
    Seed("after a failed sync it is tried again", SQLITE, "self._unusable = trouble", "pass"),
    Seed("a failed sync does not end the service", WRITING_BACK, "except sqlite3.Error as", "except Exception as"),
    Seed("a checkpoint's failure is dropped", SQLITE, "wal_autocheckpoint = 0", "wal_autocheckpoint = 4000"),
    Seed("closing syncs again", SQLITE, "if self._unusable else", "if False else"),
    Seed("a WAL is taken for what it shows", SQLITE, "rewrite_wal(self._path.resolve())", "pass"),
    # --- one writer
    Seed("BEGIN is deferred", SQLITE, '"BEGIN IMMEDIATE"', '"BEGIN"'),
    Seed("a cancellation splits a transaction", SQLITE, "return await asyncio.shield(task)", "return await task"),
    Seed("what failed is committed", SQLITE, 'execute("ROLLBACK")', 'execute("COMMIT")'),
    Seed(
        "transactions overlap",
        SQLITE,
        "        async with self._lock:\n            self._check_usable()\n            slow",
        "        if True:\n            self._check_usable()\n            slow",
    ),
    Seed("two coordinators open one file", SQLITE, "fcntl.flock(guard, fcntl.LOCK_EX | fcntl.LOCK_NB)", "pass"),
    Seed(
        "closing cuts off the last transaction",
        SQLITE,
        "            await asyncio.wait(self._running)\n",
        "            pass\n",
    ),
    Seed("numbers begin anew with each life", SQLITE, "Counters(number or 0, seq or 0)", "Counters(0, 0)"),
    # --- the publisher
    Seed(
        "the producer is kept after a fatal error",
        PUBLISHER,
        "if not error.retriable and self._producer is producer:",
        "if False:",
    ),
    Seed(
        "a batch is not awaited",
        PUBLISHER,
        "            await (await producer.send_batch(batch, topic, partition=partition))\n            batch",
        "            await producer.send_batch(batch, topic, partition=partition)\n            batch",
    ),
    Seed(
        "a publication has no limit",
        PUBLISHER,
        "            async with asyncio.timeout(self._settings.request_timeout * 1.5):\n                for chunk",
        "            if True:\n                for chunk",
    ),
    Seed(
        "a full batch drops its row",
        PUBLISHER,
        "            batch = producer.create_batch()\n            batch.append(",
        "            batch = producer.create_batch()\n            dict(",
    ),
    Seed(
        "a producer that has lost its task is kept",
        PUBLISHER,
        "if self._producer is not None and lost(self._producer.client._sync_task):",
        "if False:",
    ),
    Seed(
        "a consumer that has lost a task is kept",
        "service/kafka/consumer.py",
        "if self._consumer is not None and (trouble := consumers.task_error(self._consumer)):",
        "if trouble := None:",
    ),
)
