"""Faults that the handlers, the feed and the loops might have; what runs on simulated ports is looked for by worlds."""

from tests.meta.proof._support.seeding import Edit, Seed

ADVANCE = "await $tx.advance(self._leases.moves($places))"

SEEDS = (
    # --- the fence, offsets
    Seed("no fence: missed leases are ignored", "Intake._work", "raise _Missed(...)", "pass"),
    Seed("the offset is not stored", "Intake._work", ADVANCE, "()"),
    Seed(
        "the offset is stored first, in a transaction of its own",
        "Intake.receive",
        "await self._unit_of_work.write(lambda session, tx: self._work(session, tx, $arrivals))",
        "moves = self._leases.moves(each.record.place for each in $arrivals)\n"
        "if missed := await self._unit_of_work._store.transact(lambda tx: tx.advance(moves)):\n"
        "    raise _Missed(missed)\n"
        "await self._unit_of_work.write(lambda session, tx: self._work(session, tx, $arrivals))",
        (Edit("Intake._work", ADVANCE, "()"),),
    ),
    Seed(
        "a fenced owner retries without reconciling its leases", "Intake.receive", "self._leases.reconcile(...)", "pass"
    ),
    Seed("memory is not cleared after a conflict", "UnitOfWork.write", "self._cache.clear()", "pass"),
    Seed(
        "a batch is noted as done before its commit",
        "Intake.receive",
        "await self._unit_of_work.write(lambda session, tx: self._work(session, tx, $arrivals))",
        "moves = self._leases.moves(each.record.place for each in $arrivals)\n"
        "self._leases.advance(each.record.place for each in $arrivals)\n"
        "self._moves = moves\n"
        "await self._unit_of_work.write(lambda session, tx: self._work(session, tx, $arrivals))",
        (
            Edit("Intake._work", "self._leases.moves($places)", "self._moves"),
            Edit("Intake.receive", "self._leases.advance(...)\nreturn", "return"),
        ),
    ),
    Seed(
        "messages leave before the commit",
        "UnitOfWork._save",
        "return $session, await $saved, $result",
        "rows = await $saved\nself._relay._queue(rows)\nreturn $session, rows, $result",
    ),
    # --- the short form
    Seed(
        "what was decided from memory is written without moving the leases",
        "UnitOfWork.write_from_memory",
        "DecidedBatch($moves, $changes, $fresh)",
        "DecidedBatch((), $changes, $fresh)",
    ),
    Seed(
        "no early event is looked for where an instance begins to wait",
        "UnitOfWork.write_from_memory",
        "DecidedBatch($moves, $changes, $fresh)",
        "DecidedBatch($moves, $changes, ())",
    ),
    Seed(
        "a conflict passes for a commit",
        "UnitOfWork.write_from_memory",
        "try:\n    ...\nexcept Conflict:\n    return False",
        "try:\n    ...\nexcept Conflict:\n    return True",
    ),
    Seed(
        "an instance that is not in memory passes for none",
        "UnitOfWork.write_from_memory",
        "$changes.is_plain and $session.writes_all_it_loaded",
        "$session.writes_all_it_loaded",
        (Edit("UnitOfWork.recall", "$replied <= $found.keys()", "True"),),
    ),
    Seed(
        "it relies on an instance that it does not write",
        "Session.writes_all_it_loaded",
        "self._loaded.keys() == self._records.keys()",
        "True",
    ),
    Seed("the lease of another epoch is taken for ours", "Leases.reconcile", "$held.epoch == $lease.epoch", "True"),
    Seed("records that are done are taken again", "Leases.is_expected", "$place.offset >= $lease.next_offset", "True"),
    # --- the consumer
    Seed("after an error the leases are kept", "KafkaConsumer._reset", "self._leases.clear()", "pass"),
    Seed("leases outlive their assignment", "KafkaConsumer._poll_once", "self._leases.clear()", "pass"),
    Seed(
        "a lease that another took where no record comes is never noticed",
        "KafkaConsumer._check_leases",
        "self._leases.reconcile(...)",
        "pass",
    ),
    Seed("it starts at Kafka's committed offset", "KafkaConsumer._seek", "$consumer.seek(...)", "pass"),
    Seed(
        "it begins at the end of a log that it never read",
        "start_of",
        "return first",
        "return end",
    ),
    Seed("it jumps over a trimmed log", "start_of", "$first <= $lease.next_offset <= $end", "True"),
    Seed("a topic that was created again is read on", "start_of", "not $ids & {None, topic_id}", "False"),
    Seed("history is read before somebody says so", "start_of", "_undecided(...)", "0"),
    Seed(
        "a database reads in the group of another",
        "database_problem",
        "$committed.database_id not in {None, $identity.id}",
        "False",
    ),
    Seed("a database that went back is read on", "database_problem", "$committed.offset > ($done or 0)", "False"),
    Seed(
        "Kafka's committed offset is ahead of the database",
        "KafkaConsumer._commit",
        "{$at: $offset for $each, $offset in self._leases.offsets()}",
        "{$at: $offset + 1 for $each, $offset in self._leases.offsets()}",
    ),
    Seed("the last offsets are not committed", "KafkaConsumer.run", "await self._commit_last()", "pass"),
    Seed(
        "rows of an earlier run are not loaded",
        "KafkaConsumer._acquire_leases",
        "await self._handlers.relay.load()",
        "pass",
    ),
    Seed(
        "too much unsent does not stop the intake",
        "KafkaConsumer._poll_once",
        "self._handlers.relay.exceeds(...)",
        "False",
    ),
    Seed(
        "a fenced owner takes the partition back at once",
        "KafkaConsumer._acquire_leases",
        "$free - self._partitions.not_to_acquire(...)",
        "$free",
    ),
    Seed(
        "timers ignore that a command has not left",
        "Timers._work",
        "self.dispatcher.fire($session, $record, $unsent)",
        "self.dispatcher.fire($session, $record, ())",
    ),
    Seed("timers do not wait for the backlog", "_fire_timers", "await $service.consumer.caught_up.wait()", "pass"),
    # --- the relay
    Seed(
        "marked as sent before the acknowledgement",
        "Relay._post",
        "$posted[$lane.at] = $messages",
        "$posted[$lane.at] = $messages\nself._acknowledged += [row.seq for row in tuple($lane.rows)[: $lane.most]]",
    ),
    Seed("a lane sends more before it is acknowledged", "Relay._post", "$lane.rows and not $lane.posted", "$lane.rows"),
    Seed("rows are deleted before the acknowledgement", "Relay.acknowledged", "self._acknowledged", "self._known"),
    Seed("acknowledged rows are not deleted", "Relay.acknowledged", "tuple(self._acknowledged)", "()"),
    Seed(
        "rows that were not acknowledged are taken out",
        "Relay._retry",
        "await asyncio.sleep($wait)",
        "await asyncio.sleep($wait)\nfor _ in range(lane.posted):\n    lane.rows.popleft()",
    ),
    Seed(
        "after a failure the later rows of a lane go on",
        "Relay._retry",
        "await asyncio.sleep($wait)",
        "await asyncio.sleep($wait)\nlane.rows.rotate(-lane.posted)",
    ),
    Seed(
        "rows of a lane leave the newest first",
        "Relay._queue",
        "$lane.rows.append($row)",
        "$lane.rows.appendleft($row)",
    ),
    Seed("a lane that failed is given up", "Relay._retry", "self._post(...)", "pass"),
    Seed("the relay sends for homes that are not ours", "Relay._queue", "self._leases.is_home(...)", "True"),
    # --- what is decided and written
    Seed(
        "a message has a new id in each copy of its decision",
        "Encoder.command",
        "self._envelope(origin, $id, ...)",
        "self._envelope(origin, f'{$id}-{origin.at.timestamp()}', ...)",
    ),
    Seed(
        "the undo of an unknown step is skipped",
        "may_have_effect",
        "not ($command.progress is Progress.REFUSED or $unknown)",
        "$command.progress is Progress.DONE",
    ),
    Seed(
        "an ignored signal has no row in the history",
        "Session._add",
        "self.changes.entries.append($record.entry)",
        "self.changes.entries.extend([$record.entry] if $record.decision.ignored is None else [])",
    ),
    Seed("a dead letter is not written", "dead_letter", "session.changes.dead_letters.append(...)", "pass"),
    Seed(
        "a dead letter is not published",
        "dead_letter",
        "session.changes.outbox.append(...)",
        "pass",
    ),
    Seed("a record that reaches nobody has no verdict", "add_verdict", "session.changes.verdicts.append(...)", "pass"),
    Seed("an early event is not buffered", "_buffer", "session.changes.buffered.append(...)", "pass"),
    Seed("a buffered event stays after its delivery", "_drop", "session.changes.released.append(...)", "pass"),
    Seed("a buffered event is not delivered", "Dispatcher.release", "$session.pop_new_addresses()", "set[str]()"),
    Seed(
        "a subscription stays after its event",
        "Session._update_subscriptions",
        "self._subscriptions[$wait] = False",
        "pass",
    ),
    Seed("a subscription is not written", "Session._update_subscriptions", "self._subscriptions[$wait] = True", "pass"),
    Seed("a copy of a child's command is not answered", "Session.apply", "isinstance($signal, Start)", "False"),
    Seed(
        "a child answers under its own instance",
        "Encoder.outcome",
        "replace($envelope, ..., correlation_id=$id)",
        "replace($envelope, ...)",
    ),
    Seed("an event that raises stops its batch", "Dispatcher._deliver", "dead_letter(...)", "raise"),
    Seed(
        "a buffered event expires without a verdict",
        "Dispatcher.expire",
        "add_verdict(...)",
        "pass",
    ),
)
