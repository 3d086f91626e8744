"""The invariants of the machine that are checked in every world: each turn, and at the end."""

from collections.abc import Callable

from tests.unit.properties import on_commands, on_ends, on_time, on_undo
from tests.unit.properties.witness import Witness
from tests.unit.properties.world import Turned

EACH_TURN: tuple[Callable[[Witness, Turned], None], ...] = (
    on_time.i2_a_final_status_is_absorbing,
    on_time.i4_every_active_instance_has_a_timer,
    on_commands.i6_an_id_is_derived_and_keeps_its_content,
    on_commands.i8_an_effect_stands_at_most_once,
    on_commands.i9_a_new_id_only_after_a_definite_not_done,
    on_commands.i9_every_sending_counts,
    on_commands.i10_a_reply_is_remembered_once_unless_its_undo_was_sent,
    on_commands.i10_a_second_copy_of_a_signal_changes_nothing,
    on_commands.i10_an_answer_to_a_given_up_attempt_is_ignored,
    on_commands.i10_an_event_is_taken_once,
    on_undo.i13_only_what_may_have_been_done_is_undone,
    on_undo.i14_undone_in_strict_reverse_order,
    on_undo.i14_a_group_is_undone_together,
    on_undo.i14_nothing_is_undone_while_a_step_is_in_flight,
    on_undo.i16_an_undo_that_cannot_be_done_stalls,
    on_undo.i16_a_stall_has_its_reason,
    on_undo.i17_a_late_success_sends_its_undo_again_until_it_is_acknowledged,
    on_undo.i18_before_the_pivot_only_backward_after_it_only_forward,
    on_undo.what_is_left_was_undone_before_the_next_is_tried,
    on_time.i18_the_deadline_counts_until_the_pivot_is_sent,
    on_time.i19_whatever_is_due_is_acted_upon_once,
    on_time.an_unsent_command_does_not_time_out,
    on_time.a_pause_moves_timers_but_neither_deadline_nor_delays,
    on_time.what_was_recorded_stays,
    on_time.nothing_is_sent_while_paused_stalled_or_ignored,
    on_time.the_outcome_leaves_once_with_the_end,
    on_commands.a_command_is_sent_when_all_before_it_is_over,
    on_commands.at_most_so_many_of_a_list_are_in_flight,
    on_commands.a_command_is_withdrawn_once_from_a_cancelled_child,
)

AT_THE_END: tuple[Callable[[Witness], None], ...] = (
    on_ends.i1_it_has_ended,
    on_ends.i8_completed_means_each_step_of_the_way_once_and_nothing_beside,
    on_ends.i13_compensated_means_all_that_may_have_been_done_is_undone,
    on_ends.i15_compensated_means_a_net_effect_of_zero,
)
