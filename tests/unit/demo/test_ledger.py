"""A ledger: each command id has its effect once, an undo is a fence, and a file survives a kill."""

import json
from pathlib import Path

from saga_coordinator.service.demo.conversation import failure
from saga_coordinator.service.demo.ledger import Effect, EffectLedger, open_ledgers, read_ledgers
from tests.unit.demo._support.by_hand import command, command_id

DECLINED = failure("card-declined", "the bank declined the card", retryable=False)


def net(ledger: EffectLedger) -> int:
    return sum(entry.net for entry in ledger.entries)


def test_a_repeated_command_finds_the_first_reply_and_has_no_second_effect_i8() -> None:
    ledger = EffectLedger("payments")
    first = ledger.execute(command("charge-card", "o-1"), None)

    again = ledger.find_repeat(command("charge-card", "o-1"))

    assert again == first
    assert (net(ledger), ledger.repeats, ledger.violations) == (1, 1, ())


def test_one_id_with_another_content_is_a_violation_i6() -> None:
    ledger = EffectLedger("payments")
    ledger.execute(command("charge-card", "o-1"), None)

    ledger.find_repeat(command("charge-card", "o-1", amount="1.00"))

    assert len(ledger.violations) == 1
    assert "two contents" in ledger.violations[0]
    assert command_id("charge-card", "o-1") in ledger.violations[0]


def test_an_undo_takes_the_effect_back_once_however_often_it_is_asked_i15() -> None:
    ledger = EffectLedger("payments")
    ledger.execute(command("charge-card", "o-1"), None)

    first = ledger.execute(command("refund-card", "o-1"), None)
    second = ledger.execute(command("refund-card", "o-1", attempt=2), None)

    assert [first.effect, second.effect] == [Effect.COMPENSATED, Effect.NOTHING_TO_COMPENSATE]
    assert net(ledger) == 0


def test_an_undo_that_comes_before_its_command_is_done_and_fences_the_late_original_i15() -> None:
    ledger = EffectLedger("payments")

    undo = ledger.execute(command("refund-card", "o-1"), None)
    late = ledger.execute(command("charge-card", "o-1"), None)

    assert (undo.effect, undo.reply.type) == (Effect.NOTHING_TO_COMPENSATE, "saga.done.v1")
    assert (late.effect, late.reply.type) == (Effect.COMPENSATED_ALREADY, "saga.failure.v1")
    assert json.loads(late.reply.value)["code"] == "compensated-already"
    assert json.loads(late.reply.value)["retryable"] is False
    assert net(ledger) == 0


def test_a_refused_undo_is_no_fence_and_leaves_the_effect() -> None:
    ledger = EffectLedger("payments")
    ledger.execute(command("charge-card", "o-1"), None)

    ledger.execute(command("refund-card", "o-1"), failure("busy", "not now", retryable=True))
    assert net(ledger) == 1

    ledger.execute(command("refund-card", "o-1", attempt=2), None)
    assert net(ledger) == 0


def test_undoing_what_was_refused_changes_nothing() -> None:
    ledger = EffectLedger("payments")
    ledger.execute(command("charge-card", "o-1"), DECLINED)

    undo = ledger.execute(command("refund-card", "o-1"), None)

    assert (undo.effect, net(ledger)) == (Effect.NOTHING_TO_COMPENSATE, 0)


def test_an_undo_may_name_the_reference_that_was_given_or_none_but_no_other() -> None:
    ledger = EffectLedger("payments")
    for order, named in (("o-1", f"payments-{command_id('charge-card', 'o-1')}"), ("o-2", None), ("o-3", "another")):
        ledger.execute(command("charge-card", order), None)
        ledger.execute(command("refund-card", order, charge_id=named), None)

    assert len(ledger.violations) == 1
    assert command_id("refund-card", "o-3") in ledger.violations[0]


def test_a_ledger_opened_again_knows_all_that_was_flushed(tmp_path: Path) -> None:
    path = tmp_path / "payments.jsonl"
    before = EffectLedger("payments", path)
    done = before.execute(command("charge-card", "o-1"), None)
    before.execute(command("refund-card", "o-2"), None)
    before.find_repeat(command("charge-card", "o-1"))
    before.add_violation("something is wrong")
    before.close()

    after = EffectLedger("payments", path)
    late = after.execute(command("charge-card", "o-2"), None)
    again = after.find_repeat(command("charge-card", "o-1"))
    after.close()

    assert again == done
    assert late.effect is Effect.COMPENSATED_ALREADY
    assert after.repeats == 2
    assert after.violations == ("something is wrong",)


def test_a_line_torn_by_a_kill_is_cut_off_and_its_command_carried_out_again_i24(tmp_path: Path) -> None:
    path = tmp_path / "payments.jsonl"
    before = EffectLedger("payments", path)
    before.execute(command("charge-card", "o-1"), None)
    before.execute(command("charge-card", "o-2"), None)
    before.close()
    path.write_bytes(path.read_bytes()[:-20])

    after = EffectLedger("payments", path)
    assert after.find_repeat(command("charge-card", "o-1")) is not None
    assert after.find_repeat(command("charge-card", "o-2")) is None
    after.execute(command("charge-card", "o-2"), None)
    after.close()

    ledger = EffectLedger.read(path)
    assert [entry.order_id for entry in ledger.entries] == ["o-1", "o-2"]


def test_reading_a_ledger_leaves_its_file_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "payments.jsonl"
    path.write_bytes(b'{"repeat": "x"}\n{"torn')

    assert EffectLedger.read(path).repeats == 1
    assert path.read_bytes() == b'{"repeat": "x"}\n{"torn'


def test_an_id_that_a_file_shows_twice_is_a_violation_i8(tmp_path: Path) -> None:
    path = tmp_path / "payments.jsonl"
    ledger = EffectLedger("payments", path)
    ledger.execute(command("charge-card", "o-1"), None)
    ledger.close()
    path.write_bytes(path.read_bytes() * 2)

    assert len(EffectLedger.read(path).violations) == 1


def test_each_participant_has_its_own_file(tmp_path: Path) -> None:
    written = open_ledgers(tmp_path)
    written["shipping"].execute(command("ship-order", "o-1"), None)
    for ledger in written.values():
        ledger.close()

    read = read_ledgers(tmp_path)

    assert {name: net(ledger) for name, ledger in read.items() if net(ledger)} == {"shipping": 1}
    assert set(read) == {"inventory", "payments", "reviews", "shipping", "notifications"}
