"""Faults that the handlers, the feed and the loops might have; what runs on simulated ports is looked for by worlds."""

from tests.meta.proof.sowing import Seed

SEEDS = (
    # --- the fence, offsets
    Seed("no fence: missed leases are ignored", "handlers/intake.py", "        if missed:", "        if False:"),
    Seed(
        "the offset is not stored",
        "handlers/intake.py",
        "missed = await tx.advance(self._leases.moves(each.record.place for each in arrivals))",
        "missed: Sequence[Lease] = ()",
    ),
    Seed(
        "the offset is stored first, by itself",
        "handlers/intake.py",
        "                await self._unit_of_work.write(partial(self._decide, arrivals))",
        "                moves = self._leases.moves(each.record.place for each in arrivals)\n"
        "                if missed := await self._unit_of_work._store.transact(lambda tx: tx.advance(moves)):\n"
        "                    raise _Missed(missed)\n"
        "                await self._unit_of_work.write(partial(self._decide, arrivals))",
        (
            (
                "missed = await tx.advance(self._leases.moves(each.record.place for each in arrivals))",
                "missed: Sequence[Lease] = ()",
            ),
        ),
    ),
    Seed(
        "a fenced owner tries again without learning",
        "handlers/intake.py",
        "self._leases.reconcile(missed.leases)",
        "pass",
    ),
    Seed(
        "instance_cache is not cleared after a conflict",
        "handlers/unit_of_work.py",
        "            except Conflict:\n                self._memory.clear()",
        "            except Conflict:\n                pass",
    ),
    Seed(
        "a batch is noted as done before its commit",
        "handlers/intake.py",
        "                await self._unit_of_work.write(partial(self._decide, arrivals))",
        "                moves = self._leases.moves(each.record.place for each in arrivals)\n"
        "                self._leases.advanced(each.record.place for each in arrivals)\n"
        "                await self._unit_of_work.write(partial(self._decide, arrivals, moves))",
        (
            ("arrivals: Sequence[Arrival | Unreadable], tx: Transaction)", "arrivals, moves, tx)"),
            ("tx.advance(self._leases.moves(each.record.place for each in arrivals))", "tx.advance(moves)"),
            (
                "            else:\n                self._leases.advanced(each.record.place for each in arrivals)\n",
                "            else:\n",
            ),
        ),
    ),
    Seed(
        "what is owed leaves before the commit",
        "handlers/unit_of_work.py",
        "        return batch, list(await tx.save(batch.finish())), result",
        "        unsent = list(await tx.save(batch.finish()))\n"
        "        self._relay._queue(unsent)\n"
        "        return batch, unsent, result",
    ),
    Seed(
        "the lease of another epoch is taken for ours",
        "handlers/leases.py",
        "if held.epoch == lease.epoch:",
        "if True:",
    ),
    Seed("records that are done are taken again", "handlers/leases.py", "place.offset >= lease.next_offset", "True"),
    # --- the feed
    Seed(
        "after an error the leases are trace_context_after",
        "service/kafka/consumer.py",
        "        self._leases.clear()\n        self._memory.clear()",
        "        self._memory.clear()",
    ),
    Seed(
        "leases outlive their assignment",
        "service/kafka/consumer.py",
        "            self._leases.clear()\n            self._stopped.clear()",
        "            self._stopped.clear()",
    ),
    Seed(
        "a lease that another took where no record comes is never noticed",
        "service/kafka/consumer.py",
        "            self._leases.reconcile(leases)\n",
        "            pass\n",
    ),
    Seed(
        "it stands where Kafka's committed offset is",
        "service/kafka/consumer.py",
        "        consumer.seek(at, offset)\n",
        "",
    ),
    Seed(
        "it begins at the end of a log that it never read",
        "service/kafka/consumer.py",
        "offset = first if lease.next_offset is None",
        "offset = end if lease.next_offset is None",
    ),
    Seed(
        "it jumps over a trimmed log",
        "service/kafka/consumer.py",
        "        if first <= offset <= end:",
        "        if True:",
    ),
    Seed(
        "Kafka is told more than the database knows",
        "service/kafka/consumer.py",
        "offset for each, offset in self._leases.offsets()}\n            if self._consumer is None or offsets",
        "offset + 1 for each, offset in self._leases.offsets()}\n            if self._consumer is None or offsets",
    ),
    Seed(
        "rows of a life before are not loaded",
        "service/kafka/consumer.py",
        "            await self._relay.load()  #",
        "            #",
    ),
    Seed(
        "too much unsent does not stop the intake",
        "service/kafka/consumer.py",
        "if self._relay.pending > self._settings.outbox_limit:",
        "if False:",
    ),
    Seed(
        "who is overtaken takes the partition back at once",
        "service/kafka/consumer.py",
        " - self._retakes.waiting(now)",
        "",
    ),
    Seed(
        "timers do not add_loaded what has not left",
        "handlers/timers.py",
        "self._decider.wake(batch, stored, unsent)",
        "self._decider.wake(batch, stored, ())",
    ),
    Seed(
        "timers do not wait for the backlog",
        "service/app/run.py",
        "    await service.feed.caught_up.wait()\n",
        "",
    ),
    # --- the relay
    Seed(
        "marked as sent before the acknowledgement",
        "handlers/relay.py",
        "                try:\n                    await self._publisher",
        "                self._acknowledged.extend(row.seq for row in rows)\n"
        "                try:\n                    await self._publisher",
    ),
    Seed(
        "rows are deleted before the acknowledgement",
        "handlers/relay.py",
        "return tuple(self._acknowledged)",
        "return tuple(self._known)",
    ),
    Seed("acknowledged rows are not deleted", "handlers/relay.py", "return tuple(self._acknowledged)", "return ()"),
    Seed(
        "the relay takes rows out before publishing",
        "handlers/relay.py",
        "rows = [waiting[index] for index",
        "rows = [waiting.popleft() for index",
        (("                        waiting.popleft()\n", ""),),
    ),
    Seed(
        "after a failure the later rows of a lane go on",
        "handlers/relay.py",
        "                    await asyncio.sleep(wait)\n",
        "                    await asyncio.sleep(wait)\n                    waiting.rotate(-len(rows))\n",
    ),
    Seed(
        "rows of a lane leave the newest first",
        "handlers/relay.py",
        "self._lanes[row.owed.topic, row.owed.partition].append(row)",
        "self._lanes[row.owed.topic, row.owed.partition].appendleft(row)",
    ),
    Seed(
        "a lane that failed is given up",
        "handlers/relay.py",
        "                    await asyncio.sleep(wait)\n",
        "                    return\n",
    ),
    Seed(
        "the relay sends for homes that are not ours",
        "handlers/relay.py",
        "if self._leases.is_home(row.owed.home)]",
        "if True]",
    ),
    # --- what is decided and written
    Seed(
        "a message has a new id in each copy of its decision",
        "handlers/encode.py",
        "        id=send.command_id,\n",
        '        id=f"{send.command_id}-{origin.at.timestamp()}",\n',
    ),
    Seed(
        "the undo of an unknown step is skipped",
        "sagas/machine/transition.py",
        "return not (command_state.progress is REFUSED or (command_state",
        "return command_state.progress is DONE and not (False or (command_state",
    ),
    Seed(
        "an ignored signal has no row in the history",
        "handlers/session.py",
        "self.changes.entries.append(hop.entry)",
        "self.changes.entries.extend([hop.entry] if hop.decision.ignored is None else [])",
    ),
    Seed(
        "a dead letter is not written",
        "handlers/session.py",
        "self.changes.dead_letters.append(letter)",
        "pass",
    ),
    Seed(
        "a dead letter is not published",
        "handlers/session.py",
        "        if size_of(row) <= self._wire.max_bytes_of(row.topic):\n            self",
        "        if False:\n            self",
    ),
    Seed(
        "a record that reaches nobody has no verdict",
        "handlers/session.py",
        "self.changes.verdicts.append(ruling)",
        "pass",
    ),
    Seed("an early event is not held", "handlers/session.py", "self.changes.held.append(held)", "pass"),
    Seed(
        "a held event stays when it has happened", "handlers/session.py", "self.changes.released.append(held)", "pass"
    ),
    Seed(
        "a held event is forgotten",
        "handlers/dispatch.py",
        "        while fresh := batch.pop_fresh_addresses():\n",
        "        while fresh := set[str]():\n",
    ),
    Seed(
        "who awaited an event is_expected it for ever",
        "handlers/session.py",
        "self._waits[EventSubscription(address, after.id)] = False",
        "pass",
    ),
    Seed(
        "a wait at an address is not written",
        "handlers/session.py",
        "self._waits[EventSubscription(address, after.id)] = True",
        "pass",
    ),
    Seed(
        "a copy of a child's command is not answered",
        "handlers/session.py",
        "if isinstance(signal, Start) and stored and",
        "if False and stored and",
    ),
    Seed(
        "a child answers under its own instance",
        "handlers/encode.py",
        "correlation_id=asked.correlation_id if asked else origin.instance.id",
        "correlation_id=origin.instance.id",
    ),
    Seed(
        "an event that raises stops its batch",
        "handlers/dispatch.py",
        "            batch.dead_letter(Unreadable(arrival.record, cause, class_of(error)), id_)",
        "            raise",
    ),
    Seed(
        "a held event outlives its time without a verdict",
        "handlers/dispatch.py",
        'batch.rule(arrival, Verdict.UNMATCHED, f"held until',
        'str((arrival, Verdict.UNMATCHED, f"held until',
        (('nobody awaited it")', 'nobody awaited it"))'),),
    ),
)
