"""The five participants without Kafka: what leaves, how often and how late."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from saga_coordinator.service.demo.behaviour import Behaviour
from saga_coordinator.service.demo.command_handler import Answer, CommandHandler, HandledCommand
from saga_coordinator.service.demo.conversation import ReceivedCommand
from saga_coordinator.service.demo.ledger import Effect, EffectLedger
from tests.unit.demo._support.by_hand import command, record

WILLING = {"ship-order": 0.0}


@contextmanager
def answering(behaviour: Behaviour, warnings: list[str] | None = None) -> Iterator[CommandHandler]:
    participants = CommandHandler(None, behaviour, on_command=None, warn=([] if warnings is None else warnings).append)
    yield participants
    participants.close()


def replies(answers: list[Answer]) -> list[tuple[str, str]]:
    return [(answer.message_id, answer.reply.type) for answer in answers]


def test_a_repeated_command_gets_the_same_reply_again_i8() -> None:
    with answering(Behaviour()) as participants:
        first = participants.execute(command("charge-card", "o-1"))
        again = participants.execute(command("charge-card", "o-1"))

    assert [answer.reply for answer in first] == [answer.reply for answer in again]
    assert participants.ledgers["payments"].repeats == 1


def test_a_lost_reply_has_its_effect_and_is_sent_when_the_command_comes_again_i9() -> None:
    with answering(Behaviour(lost_replies={"charge-card": 1.0})) as participants:
        first = participants.execute(command("charge-card", "o-1"))
        again = participants.execute(command("charge-card", "o-1"))

    assert first == []
    assert [answer.reply.type for answer in again] == ["payments.card-charged.v1"]
    assert [entry.effect for entry in participants.ledgers["payments"].entries] == [Effect.DONE]


def test_duplicate_replies_come_under_the_same_id_and_under_another() -> None:
    with answering(Behaviour(duplicate_replies={"*": 1.0})) as participants:
        sent = [replies(participants.execute(command("charge-card", f"o-{n}"))) for n in range(40)]

    assert all(len(two) == 2 for two in sent)
    same = sum(first == second for first, second in sent)
    assert 5 < same < 35


def test_late_replies_and_think_time_delay_the_reply_and_not_the_effect() -> None:
    with answering(Behaviour(late_replies={"*": 1.0}, late_by_s=3.0, think_time_s=0.5)) as participants:
        answers = participants.execute(command("charge-card", "o-1"))
        effects = [entry.effect for entry in participants.ledgers["payments"].entries]

    assert [answer.after_s for answer in answers] == [3.5]
    assert effects == [Effect.DONE]


def test_a_command_left_lying_can_be_overtaken_by_its_repeat_and_by_its_undo_i15() -> None:
    with answering(Behaviour(late_effects={"*": 1.0}, late_by_s=2.0)) as participants:
        asked, undo = command("charge-card", "o-1"), command("refund-card", "o-1")
        assert participants.delivery_delay(asked) == 2.0
        assert participants.delivery_delay(asked) == 0.0

        participants.execute(undo)
        late = participants.execute(asked)

    assert json.loads(late[0].reply.value)["code"] == "compensated-already"
    assert sum(entry.net for entry in participants.ledgers["payments"].entries) == 0


def test_a_record_that_is_no_command_is_warned_about_counted_and_noted() -> None:
    warnings: list[str] = []
    with answering(Behaviour(), warnings) as participants:
        assert participants.read(record("charge-card", "o-1", amount=12)) is None

    assert participants.malformed == 1
    assert "payments.commands.v1:0:0" in warnings[0]
    assert "amount" in warnings[0]
    assert len(participants.ledgers["payments"].violations) == 1


def test_a_command_that_differs_from_the_page_is_carried_out_and_objected_to() -> None:
    with answering(Behaviour()) as participants:
        it = record("charge-card", "o-1")
        odd = participants.read(type(it)(it.topic, 0, 0, it.key, it.value, [*it.headers, ("ce_subject", b"o-2")]))
        assert isinstance(odd, ReceivedCommand)
        answers = participants.execute(odd)

    assert len(answers) == 1
    assert "ce_subject" in participants.ledgers["payments"].violations[0]


def test_without_checks_only_what_an_answer_needs_is_looked_at() -> None:
    with answering(Behaviour(checks=False)) as participants:
        assert participants.read(record("charge-card", "o-1", amount=12)) is not None


def test_who_watches_sees_each_command_and_whether_it_came_before() -> None:
    seen: list[HandledCommand] = []
    participants = CommandHandler(None, Behaviour(declines=WILLING), on_command=seen.append, warn=print)
    participants.execute(command("ship-order", "o-1"))
    participants.execute(command("ship-order", "o-1"))

    assert seen == [
        HandledCommand("shipping", "ship-order", "o-1", Effect.DONE, repeat=False, replies=1),
        HandledCommand("shipping", "ship-order", "o-1", Effect.DONE, repeat=True, replies=1),
    ]


def test_what_was_answered_is_in_the_file_after_flush(tmp_path: Path) -> None:
    participants = CommandHandler(tmp_path, Behaviour(), on_command=None, warn=print)
    participants.execute(command("reserve-stock", "o-1"))
    participants.flush()

    assert [entry.order_id for entry in EffectLedger.read(tmp_path / "inventory.jsonl").entries] == ["o-1"]
    participants.close()
