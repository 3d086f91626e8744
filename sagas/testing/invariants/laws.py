"""All laws of the machine, each checked on every turn; none looks at how the machine decides."""

from saga_coordinator.sagas.testing.explorer.turn import Invariant
from saga_coordinator.sagas.testing.invariants import ends, hearing, sending, undo
from saga_coordinator.sagas.testing.invariants import time as time_

INVARIANTS: tuple[Invariant, ...] = (
    ends.i2_a_final_status_is_absorbing,
    ends.nothing_is_sent_where_nothing_may_be,
    hearing.i10_a_success_is_remembered_once,
    sending.i6_an_id_is_derived_and_keeps_its_content,
    sending.i9_a_new_id_only_after_a_definite_not_done,
    sending.i9_no_more_sendings_than_the_retry_allows,
    sending.i9_nobody_is_asked_again_before_the_time,
    sending.the_wait_of_a_retry_is_as_declared,
    sending.a_limit_of_a_list_holds,
    sending.what_was_decided_stays,
    sending.what_stands_next_is_asked,
    undo.i13_only_what_may_have_been_done_is_undone,
    undo.i14_undone_in_strict_reverse_order,
    undo.i14_what_is_ready_is_undone_at_once,
    undo.i13_all_that_may_have_been_done_is_undone_at_the_end,
    undo.i16_an_undo_that_cannot_be_done_stalls,
    undo.i16_a_stall_has_its_reason,
    undo.i17_a_late_success_sends_its_undo_again,
    undo.a_cancelled_child_is_withdrawn,
    ends.i8_completed_means_each_step_of_the_way_and_no_undo,
    ends.i18_before_the_pivot_backward_after_it_forward,
    ends.i18_a_cancel_before_the_pivot_compensates,
    ends.it_compensates_for_a_reason,
    ends.no_failure_is_ignored,
    ends.the_outcome_leaves_once_with_the_end,
    time_.i4_whatever_is_awaited_has_a_timer,
    time_.i4_the_timer_is_no_earlier_than_needed,
    time_.i18_the_deadline_counts_until_the_pivot_is_sent,
    time_.i19_whatever_is_due_is_acted_upon_once,
    time_.a_delay_lasts_as_long_as_declared,
)
