"""Faults that a machine might have: each an exact piece of its source, and what a careless hand would write there."""

from tests.meta.proof.sowing import Seed

SEEDS = (
    # --- undo
    Seed(
        "an unknown step is not undone",
        "sagas/machine/progress.py",
        "    return not (\n        command.progress is Progress.REFUSED or",
        "    return command.progress is Progress.DONE and not (\n        False or",
    ),
    Seed(
        "a refused step is undone",
        "sagas/machine/progress.py",
        "command.progress is Progress.REFUSED or (",
        "False or (",
    ),
    Seed("undo_when_unknown is ignored", "sagas/machine/progress.py", "and not step.undo_when_unknown", "and False"),
    Seed("undone in the order of the definition", "sagas/machine/transition.py", "else reversed(nodes)", "else nodes"),
    Seed(
        "undone while a step is in flight",
        "sagas/machine/transition.py",
        "return not in_flight and _walk(",
        "return _walk(",
    ),
    Seed(
        "a group is undone one by one",
        "sagas/machine/transition.py",
        "return all([_visit(draft, member, direction) for member in node.nodes])",
        "return all(_visit(draft, member, direction) for member in node.nodes)",
    ),
    Seed(
        "a late reply is taken for its undo's",
        "sagas/machine/signals.py",
        "draft.make_due(name, undo)",
        "draft.set_progress(name, COMPENSATION, DONE)",
    ),
    Seed(
        "what has not left counts as silent", "sagas/machine/signals.py", "draft.extend_timeouts(fired.unsent)", "pass"
    ),
    Seed("an overtaken undo is not sent again", "sagas/machine/signals.py", "if undo.progress is ASKED:", "if False:"),
    Seed(
        "an overtaken undo costs an attempt",
        "sagas/machine/draft.py",
        "sendings=max(0, undo.sendings - 1)",
        "sendings=undo.sendings",
    ),
    Seed(
        "a refused undo is forgotten",
        "sagas/machine/signals.py",
        'draft.enter_stalled(Cause(name, reply.code, f"its compensation failed: {reply.message}"))',
        "pass",
    ),
    Seed(
        "an undo that never answers is forgotten",
        "sagas/machine/transition.py",
        "draft.enter_stalled(_timed_out_cause(draft, name, undo))",
        "pass",
    ),
    Seed(
        "what waits to be asked is asked on the way back",
        "sagas/machine/ending.py",
        "draft.set_progress(name, Direction.FORWARD, Progress.REFUSED)",
        "pass",
    ),
    # --- ids, retries
    Seed(
        "an attempt's id is used again",
        "sagas/machine/draft.py",
        "before.attempt + 1 if before else 1",
        "before.attempt if before else 1",
    ),
    Seed(
        "an unknown step is asked under a new id",
        "sagas/machine/draft.py",
        "if command is None or command.progress is Progress.WAITING:",
        "if command is None or command.progress is not Progress.DONE:",
    ),
    Seed(
        "a command sent again is made anew",
        "sagas/machine/draft.py",
        "payload = command.payload\n",
        "make = (step.compensate if undone else None) or step.send\n"
        "        payload = make(self.data, *self._item(name)).model_dump_json()\n",
    ),
    Seed("one attempt too many", "sagas/language/retry.py", "sendings < self.attempts", "sendings <= self.attempts"),
    Seed("the total time is ignored", "sagas/language/retry.py", "spent <= self.total", "True"),
    Seed(
        "retry_after is ignored",
        "sagas/machine/signals.py",
        "wait = max(wait, timedelta(seconds=failure.retry_after))",
        "pass",
    ),
    Seed(
        "jitter is taken from the clock",
        "sagas/machine/signals.py",
        "ids.chance(command.command_id)",
        "draft.at.timestamp() % 60 / 60",
    ),
    Seed(
        "an unknown pivot is given up",
        "sagas/machine/transition.py",
        "step_plan.step.is_pivot or step_plan.retry.allows(",
        "step_plan.retry.allows(",
    ),
    Seed(
        "a refusal is asked again",
        "sagas/machine/signals.py",
        "if not (failure.retryable and command",
        "if not (True and command",
    ),
    # --- the way forward
    Seed(
        "a branch is evaluated again",
        "sagas/machine/transition.py",
        "if direction is FORWARD and node.name not in draft.choices:",
        "if direction is FORWARD:",
    ),
    Seed(
        "a list is evaluated again",
        "sagas/machine/transition.py",
        "if direction is FORWARD and node.name not in draft.lists:",
        "if direction is FORWARD:",
    ),
    Seed("the limit of a list is ignored", "sagas/machine/transition.py", "if unsettled == node.limit:", "if False:"),
    Seed(
        "an alternative is not undone before the next",
        "sagas/machine/transition.py",
        "            return False\n        attempt = draft.attempts[node.name]",
        "            pass\n        attempt = draft.attempts[node.name]",
    ),
    Seed(
        "a delay ends early",
        "sagas/machine/draft.py",
        "duration_of(node.lasts, self.data)",
        "duration_of(node.lasts, self.data) / 2",
    ),
    Seed(
        "a reply is not remembered",
        "sagas/machine/signals.py",
        "draft.set_progress(name, FORWARD, DONE)\n        draft.remember(name, reply)",
        "draft.set_progress(name, FORWARD, DONE)",
    ),
    Seed(
        "a child is not told to draft back",
        "sagas/machine/transition.py",
        "draft.withdraw(name, run.forward, cause)",
        "pass",
    ),
    Seed(
        "commands are withdrawn that nobody heeds",
        "sagas/machine/draft.py",
        "if command.withdrawn or not step_plan.is_cancellable:",
        "if command.withdrawn:",
    ),
    # --- the pivot, the deadline, alarms
    Seed("undone after the pivot", "sagas/machine/ending.py", "if is_past_pivot(draft.plan, draft):", "if False:"),
    Seed(
        "a cancel undoes after the pivot", "sagas/machine/signals.py", "if pivots_sent(draft.plan, draft):", "if False:"
    ),
    Seed("the deadline counts after the pivot", "sagas/machine/draft.py", "if step.is_pivot:", "if False:"),
    Seed(
        "the deadline is forgotten",
        "sagas/machine/transition.py",
        "if draft.deadline_passed and draft",
        "if False and draft",
    ),
    Seed(
        "the alarm of a step stays when it is over",
        "sagas/machine/instance.py",
        "            due_at=due_at,\n            payload",
        "            due_at=due_at or self.due_at,\n            payload",
    ),
    # --- what is heard
    Seed(
        "a second copy of a reply acts",
        "sagas/machine/signals.py",
        'return Ignored.DUPLICATE, f"{what} was answered before"',
        "pass",
    ),
    Seed(
        "a second start begins anew",
        "sagas/machine/signals.py",
        'return Ignored.DUPLICATE, "the instance was started before"',
        "return None",
    ),
    Seed("an early event is dropped", "sagas/machine/signals.py", "if may_come and draft", "if False and draft"),
    Seed(
        "an event is taken whose key is another",
        "sagas/machine/signals.py",
        "awaited.progress is ASKED and awaited.address == received.address",
        "awaited.progress is ASKED",
    ),
    Seed(
        "a second event is received",
        "sagas/machine/signals.py",
        "awaited and awaited.progress is ASKED and awaited",
        "awaited and awaited",
    ),
    Seed(
        "alternatives are lost when it is read again",
        "sagas/machine/snapshot.py",
        '"key", "data"}',
        '"key", "data", "attempts"}',
    ),
    # --- ends, people
    Seed(
        "the outcome leaves twice",
        "sagas/machine/draft.py",
        "self.status, self.outcome, self.ended_at = status, outcome, self.at",
        "self.outcome, self.ended_at = outcome, self.at",
    ),
    Seed(
        "a child that was undone may be asked again",
        "sagas/machine/ending.py",
        'outcome.model_copy(update={"retryable": False})',
        "outcome",
    ),
    Seed(
        "a running instance is resolved",
        "sagas/machine/interventions.py",
        'return _no(f"the instance is {draft.status}: only a stalled one is resolved by hand")',
        "pass",
    ),
    Seed(
        "a paused instance sends", "sagas/machine/draft.py", "return self.paused_at is None and (self", "return (self"
    ),
    Seed(
        "a pause does not move timeouts",
        "sagas/machine/interventions.py",
        "draft.shift_timers(draft.at - draft.paused_at)",
        "pass",
    ),
)
