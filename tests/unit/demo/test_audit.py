"""The audit finds what was lost, done twice, not undone or not done, and is content with an honest run."""

from pathlib import Path

from saga_coordinator.service.demo.audit import AuditReport, audit
from saga_coordinator.service.demo.behaviour import Behaviour
from saga_coordinator.service.demo.conversation import CONFIRMED, REJECTED
from saga_coordinator.service.demo.journal import Journal, ReceivedOutcome
from saga_coordinator.service.demo.ledger import EffectLedger, open_ledgers
from tests.unit.demo._support.by_hand import command

FORWARD = ("reserve-stock", "charge-card", "ship-order", "notify-customer")


def carry_out(ledgers: dict[str, EffectLedger], order: str, *names: str) -> None:
    for name in names:
        it = command(name, order)
        ledgers[it.kind.participant].execute(it, Behaviour(declines={}).refusal(it.kind, order, it.id))


def outcome(order: str, kind: str, message_id: str | None = None, value: str = "{}") -> ReceivedOutcome:
    return ReceivedOutcome(order, kind, message_id or f"outcome of {order}", value)


def confirmed(*names: str, large: bool = False) -> AuditReport:
    ledgers = open_ledgers(None)
    carry_out(ledgers, "o-1", *names)
    return audit(ledgers, [outcome("o-1", CONFIRMED)], {"o-1": large})


def rejected(*names: str) -> AuditReport:
    ledgers = open_ledgers(None)
    carry_out(ledgers, "o-1", *names)
    return audit(ledgers, [outcome("o-1", REJECTED)], {"o-1": False})


def test_orders_that_were_done_or_undone_whole_are_in_order_i8_i15() -> None:
    ledgers = open_ledgers(None)
    carry_out(ledgers, "o-1", *FORWARD)
    carry_out(ledgers, "o-2", "reserve-stock", "charge-card", "release-stock", "refund-card")
    carry_out(ledgers, "o-3", "reserve-stock", "charge-card", "review-fraud", "ship-order", "notify-customer")

    found = audit(
        ledgers,
        [outcome("o-1", CONFIRMED), outcome("o-2", REJECTED), outcome("o-3", CONFIRMED)],
        {"o-1": False, "o-2": False, "o-3": True},
    )

    assert found.ok
    assert (found.orders, found.completed, found.compensated) == (3, 2, 1)


def test_an_order_without_outcome_is_lost_i1() -> None:
    assert audit(open_ledgers(None), [], {"o-1": False}).lost == ("order o-1 was placed and has no outcome",)


def test_an_outcome_of_an_order_that_nobody_placed_is_found() -> None:
    assert audit(open_ledgers(None), [outcome("o-1", REJECTED)], {}).lost


def test_a_second_effect_under_another_command_id_is_done_twice_i9() -> None:
    ledgers = open_ledgers(None)
    carry_out(ledgers, "o-1", *FORWARD)
    ledgers["payments"].execute(command("charge-card", "o-1", attempt=2), None)

    found = audit(ledgers, [outcome("o-1", CONFIRMED)], {"o-1": False})

    assert found.done_twice == ("payments.charge-card.v1 stands 2 times for order o-1",)


def test_two_outcomes_are_found_and_a_copy_of_one_is_not_a_second() -> None:
    ledgers = open_ledgers(None)
    carry_out(ledgers, "o-1", *FORWARD)
    received = [outcome("o-1", CONFIRMED), outcome("o-1", CONFIRMED)]

    copied = audit(ledgers, received, {"o-1": False})
    twice = audit(ledgers, [*received, outcome("o-1", REJECTED, "another")], {"o-1": False})

    assert copied.ok
    assert copied.outcome_copies == 1
    assert len(twice.done_twice) == 1


def test_one_outcome_id_with_two_contents_is_found_i34() -> None:
    ledgers = open_ledgers(None)
    carry_out(ledgers, "o-1", *FORWARD)

    found = audit(ledgers, [outcome("o-1", CONFIRMED), outcome("o-1", CONFIRMED, value="[]")], {"o-1": False})

    assert len(found.protocol_errors) == 1


def test_a_rejected_order_with_a_standing_effect_is_not_compensated_i15() -> None:
    found = rejected("reserve-stock", "charge-card", "refund-card")

    assert found.not_compensated == ("order o-1 was rejected, yet inventory.reserve-stock.v1 still stands",)


def test_a_rejected_order_that_was_shipped_is_found_i18() -> None:
    assert rejected("reserve-stock", "charge-card", "ship-order", "release-stock", "refund-card").not_compensated


def test_a_review_needs_no_undo() -> None:
    assert rejected("reserve-stock", "charge-card", "review-fraud", "release-stock", "refund-card").ok


def test_a_confirmed_order_that_lacks_an_effect_is_not_done_i8() -> None:
    assert confirmed("reserve-stock", "ship-order", "notify-customer").not_done == (
        "order o-1 was confirmed, yet payments.charge-card.v1 was never done",
    )


def test_a_confirmed_order_of_which_a_step_was_undone_is_not_done_i8() -> None:
    assert confirmed(*FORWARD, "refund-card").not_done == (
        "order o-1 was confirmed, yet payments.charge-card.v1 was compensated",
    )


def test_a_large_order_needs_its_review_and_a_small_one_has_none() -> None:
    assert confirmed(*FORWARD, large=True).not_done
    assert confirmed(*FORWARD, "review-fraud", large=False).not_done


def test_what_a_participant_notes_is_found_with_its_name_i6() -> None:
    ledgers = open_ledgers(None)
    carry_out(ledgers, "o-1", *FORWARD)
    ledgers["payments"].find_repeat(command("charge-card", "o-1", amount="1.00"))

    found = audit(ledgers, [outcome("o-1", CONFIRMED)], {"o-1": False})

    assert found.repeats == 1
    assert len(found.protocol_errors) == 1
    assert found.protocol_errors[0].startswith("payments: ")
    assert found.violations == found.protocol_errors


def test_a_journal_that_was_written_reads_the_same(tmp_path: Path) -> None:
    journal = Journal({"o-1": False, "o-2": True}, [outcome("o-1", CONFIRMED)])

    journal.write(tmp_path / "journal.jsonl")

    assert Journal.read(tmp_path / "journal.jsonl") == journal
    assert [path.name for path in tmp_path.iterdir()] == ["journal.jsonl"]
