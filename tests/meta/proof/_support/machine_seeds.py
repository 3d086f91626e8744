"""Faults that a machine might have: a function, a pattern in it, and what a careless hand would write there."""

from tests.meta.proof._support.seeding import Seed

SEEDS = (
    # --- undo
    Seed(
        "an unknown step is not undone",
        "may_have_effect",
        "not ($command.progress is Progress.REFUSED or $unknown)",
        "$command.progress is Progress.DONE",
    ),
    Seed("a refused step is undone", "may_have_effect", "$command.progress is Progress.REFUSED", "False"),
    Seed("undo_when_unknown is ignored", "may_have_effect", "not $step.undo_when_unknown", "False"),
    Seed("undone in the order of the definition", "_walk", "reversed($nodes)", "$nodes"),
    Seed("undone while a step is in flight", "_undo", "not $in_flight and _walk(...)", "_walk(...)"),
    Seed("a group is undone one by one", "_visit", "all([$x for $y in $z])", "all($x for $y in $z)"),
    Seed(
        "a late reply is taken for its undo's",
        "_apply_late_reply",
        "$draft.make_due($name, $undo)",
        "$draft.set_progress($name, COMPENSATION, DONE)",
    ),
    Seed("a command that has not left counts as unanswered", "_apply_timer", "$draft.extend_timeouts($unsent)", "pass"),
    Seed("an overtaken undo is not sent again", "_apply_late_reply", "$undo.progress is ASKED", "False"),
    Seed("an overtaken undo costs an attempt", "Draft.make_due", "max(0, $undo.sendings - 1)", "$undo.sendings"),
    Seed("a refused undo is forgotten", "_apply_compensation_reply", "$draft.enter_stalled(...)", "pass"),
    Seed("an undo that never answers is forgotten", "_give_up_overdue", "$draft.enter_stalled(...)", "pass"),
    Seed(
        "what waits to be sent is sent while compensating",
        "_stop_forward",
        "$draft.set_progress($name, Direction.FORWARD, Progress.REFUSED)",
        "pass",
    ),
    # --- ids, retries
    Seed("an attempt's id is used again", "Draft._new_command", "$before.attempt + 1", "$before.attempt"),
    Seed(
        "an unknown step is asked under a new id",
        "Draft.send",
        "$state.progress is Progress.WAITING",
        "$state.progress is not Progress.DONE",
    ),
    Seed(
        "a command sent again is built again from the data",
        "Draft.send",
        "$payload = $state.payload",
        "make = (step.compensate if undone else None) or step.send\n"
        "$payload = to_json(make(self.data, *self._item(name)))",
    ),
    Seed("one attempt too many", "Retry.allows", "$sendings < self.attempts", "$sendings <= self.attempts"),
    Seed("the total time is ignored", "Retry.allows", "$spent <= self.total", "True"),
    Seed("retry_after is ignored", "_retry_at", "max($wait, timedelta(...))", "$wait"),
    Seed("jitter is taken from the clock", "_retry_at", "ids.chance(...)", "draft.at.timestamp() % 60 / 60"),
    Seed("an unknown pivot is given up", "_give_up_overdue", "$plan.step.is_pivot", "False"),
    Seed("a refusal is asked again", "_retry_at", "$failure.retryable", "True"),
    # --- the way forward
    Seed(
        "a branch is evaluated again",
        "_chosen",
        "$name not in $draft.choices",
        "True",
    ),
    Seed("a list is evaluated again", "_advance_list", "$name not in $draft.lists", "True"),
    Seed("the limit of a list is ignored", "_advance_list", "$unsettled == $node.limit", "False"),
    Seed("an alternative is not undone before the next", "_try_alternatives", "return False", "pass"),
    Seed("a delay ends early", "Draft.wait", "duration_of(...)", "duration_of(...) / 2"),
    Seed("a reply is not remembered", "_apply_forward_reply", "$draft.remember(...)", "pass"),
    Seed("a child is not asked to compensate", "_undo", "$draft.withdraw(...)", "pass"),
    Seed(
        "commands are withdrawn that cannot be cancelled",
        "Draft.withdraw",
        "not $plan.command.cancellable",
        "False",
    ),
    # --- the pivot, the deadline, timers
    Seed("undone after the pivot", "fail", "is_past_pivot(...)", "False"),
    Seed("a cancel undoes after the pivot", "_apply_cancel", "pivots_sent(...)", "False"),
    Seed("the deadline counts after the pivot", "Draft.send", "$step.is_pivot", "False"),
    Seed("the deadline is forgotten", "_give_up_overdue", "$deadline <= $draft.at", "False"),
    Seed(
        "the timer of a finished step stays",
        "CommandState.with_progress",
        "CommandState(..., due_at=$due_at)",
        "CommandState(..., due_at=$due_at or self.due_at)",
    ),
    # --- what is heard
    Seed("a second copy of a reply acts", "_apply_reply", "return _answered_before(...)", "pass"),
    Seed(
        "a success after a failure passes for a copy",
        "_answered_before",
        "not $was_done and not isinstance($reply, Failure)",
        "False",
    ),
    Seed("a second start begins again", "apply", "return (Ignored.DUPLICATE, $why)", "return None"),
    Seed("an early event is dropped", "_apply_event", "return (Ignored.EARLY, $why)", "pass"),
    Seed(
        "an event is taken whose key is another",
        "_apply_event",
        "$awaited.address == $happen.address",
        "True",
    ),
    Seed(
        "a second event is received",
        "_apply_event",
        "$awaited.progress is ASKED",
        "True",
    ),
    Seed(
        "an event of another sender under the same id is a copy",
        "WaitState.has_received",
        "self.event_source in {None, $source}",
        "True",
    ),
    Seed("alternatives are lost when it is read again", "_BESIDE", "{..., 'data'}", "{..., 'data', 'attempts'}"),
    # --- ends, people
    Seed(
        "the outcome leaves twice",
        "Draft.end",
        "self.status, self.outcome, self.ended_at, self.parked_at = $status, $outcome, $at, None",
        "self.outcome, self.ended_at, self.parked_at = $outcome, $at, None",
    ),
    Seed(
        "a child that was undone may be asked again",
        "outcome_of",
        "$outcome.model_copy(update={'retryable': False})",
        "$outcome",
    ),
    Seed("a running instance is resolved", "_resolve", "$draft.status is not Status.STALLED", "False"),
    Seed("a paused instance sends", "Draft.is_active", "self.paused_at is None", "True"),
    Seed("a pause does not move timeouts", "_resume", "$draft.restart_timers(...)", "pass"),
    Seed("the timer of a parked instance fires", "Instance.next_timer_at", "self.parked_at is not None", "False"),
    Seed(
        "a parked instance gives up what is overdue",
        "_decide",
        "$draft.is_active and $draft.parked_at is None",
        "$draft.is_active",
    ),
    Seed("parking does not move timeouts", "_apply_obstacle", "$draft.restart_timers(...)", "pass"),
)
