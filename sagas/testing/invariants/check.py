"""The invariants of the machine, each checked on every transition; none depends on how the machine decides."""

from collections.abc import Iterator, Sequence
from typing import Any, Protocol

from saga_coordinator.sagas.machine import Decision, Signal
from saga_coordinator.sagas.testing.invariants import ends, receiving, sending, time, undo
from saga_coordinator.sagas.testing.invariants.observation import Invariant, Observation, begin, observe
from saga_coordinator.sagas.testing.invariants.order import AnySaga

INVARIANTS: tuple[Invariant, ...] = (
    ends.i2_a_final_status_is_absorbing,
    ends.nothing_is_sent_while_paused_stalled_or_ignored,
    receiving.i10_a_success_is_remembered_once,
    receiving.i10_a_reply_to_an_earlier_attempt_is_ignored,
    receiving.i10_an_event_is_received_once,
    sending.i6_an_id_is_derived_and_keeps_its_content,
    sending.i9_a_new_id_only_after_a_definite_not_done,
    sending.i9_no_more_sendings_than_the_retry_allows,
    sending.i9_nothing_is_sent_again_before_the_time,
    sending.the_wait_of_a_retry_is_as_declared,
    sending.a_limit_of_a_list_holds,
    sending.what_was_decided_stays,
    sending.what_stands_next_is_sent,
    undo.i13_only_what_may_have_been_done_is_undone,
    undo.i14_undone_in_strict_reverse_order,
    undo.i14_what_is_ready_is_undone_at_once,
    undo.i13_all_that_may_have_been_done_is_undone_at_the_end,
    undo.i17_a_late_success_sends_its_undo_again,
    undo.i16_an_undo_that_cannot_be_done_stalls,
    undo.i16_a_stall_has_its_reason,
    undo.a_cancelled_child_is_withdrawn,
    ends.i8_completed_means_each_step_of_the_path_and_no_undo,
    ends.i18_before_the_pivot_backward_after_it_forward,
    ends.i18_what_is_given_up_only_goes_backward,
    ends.i18_a_cancel_before_the_pivot_compensates,
    ends.it_compensates_for_a_reason,
    ends.no_failure_is_ignored,
    ends.the_outcome_leaves_once_with_the_end,
    time.i4_whatever_is_awaited_has_a_timer,
    time.i4_the_timer_is_no_earlier_than_needed,
    time.i18_the_deadline_counts_until_the_pivot_is_sent,
    time.i19_whatever_is_due_is_done_once,
    time.an_unsent_command_does_not_time_out,
    time.a_standstill_moves_timers_but_neither_deadline_nor_delays,
    time.nothing_is_due_while_parked,
    time.a_delay_lasts_as_long_as_declared,
)


def violations(seen: Observation) -> Iterator[tuple[str, str]]:
    """Yield each invariant that a transition violates, by its name, with what is wrong."""
    return ((each.__name__, problem) for each in INVARIANTS for problem in each(seen))


class Story(Protocol):
    """A scenario, as far as its invariants are concerned."""

    @property
    def saga(self) -> AnySaga: ...

    @property
    def transitions(self) -> Sequence[tuple[Signal, Decision[Any]]]:
        """What was received and decided, the start first."""


def check(story: Story) -> None:
    """Check every transition of a scenario. Raises `AssertionError` with the first invariant that is violated."""
    __tracebackhide__ = True
    seen: Observation | None = None
    for signal, decision in story.transitions:
        seen = observe(seen.after, signal, decision) if seen else begin(story.saga, signal, decision)
        stored = (("i3_read_again_it_is_the_same", each) for each in receiving.i3_read_again_it_is_the_same(seen.after))
        for name, problem in (*violations(seen), *stored):
            raise AssertionError(f"{name}: {problem}")
