"""Faults that a machine might have: each an exact piece of its source, and what a careless hand would write there."""

from tests.proof.sowing import Seed

SEEDS = (
    # --- undo
    Seed(
        "an unknown step is not undone",
        "transition.py",
        "return not (leg.progress is REFUSED or (leg",
        "return leg.progress is DONE and not (False or (leg",
    ),
    Seed("a refused step is undone", "transition.py", "not (leg.progress is REFUSED or (", "not (False or ("),
    Seed("undo_when_unknown is ignored", "transition.py", "and not step.undo_when_unknown", "and False"),
    Seed("undone in the order of the definition", "transition.py", "else reversed(nodes)", "else nodes"),
    Seed(
        "undone while a step is in flight",
        "transition.py",
        "return not in_flight and _walk(",
        "return _walk(",
    ),
    Seed(
        "a group is undone one by one",
        "transition.py",
        "return all([_visit(turn, member, direction) for member in node.nodes])",
        "return all(_visit(turn, member, direction) for member in node.nodes)",
    ),
    Seed(
        "a late reply is taken for its undo's",
        "taking.py",
        "turn.hasten(name, undo)",
        "turn.put(name, COMPENSATION, DONE)",
    ),
    Seed("what has not left counts as silent", "taking.py", "turn.give_time(wake.unsent)", "pass"),
    Seed("an overtaken undo is not sent again", "taking.py", "if undo.progress is ASKED:", "if False:"),
    Seed(
        "an overtaken undo costs an attempt", "turn.py", "sendings=max(0, undo.sendings - 1)", "sendings=undo.sendings"
    ),
    Seed(
        "a refused undo is forgotten",
        "taking.py",
        'turn.stall(Cause(name, failure.code, f"its compensation failed: {failure.message}"))',
        "pass",
    ),
    Seed("an undo that never answers is forgotten", "transition.py", "turn.stall(_silence(turn, name, leg))", "pass"),
    Seed(
        "what waits to be asked is asked on the way back",
        "ending.py",
        "turn.put(name, Direction.FORWARD, Progress.REFUSED)",
        "pass",
    ),
    # --- ids, retries
    Seed(
        "an attempt's id is used again",
        "turn.py",
        "before.attempt + 1 if before else 1",
        "before.attempt if before else 1",
    ),
    Seed(
        "an unknown step is asked under a new id",
        "turn.py",
        "if leg is None or leg.progress is Progress.WAITING:",
        "if leg is None or leg.progress is not Progress.DONE:",
    ),
    Seed(
        "a command sent again is made anew",
        "turn.py",
        "payload = leg.payload\n",
        "make = (step.compensate if undone else None) or step.send\n"
        "        payload = make(self.data, *self._item(name)).model_dump_json()\n",
    ),
    Seed("one attempt too many", "retry.py", "sendings < self.attempts", "sendings <= self.attempts"),
    Seed("the total time is ignored", "retry.py", "spent <= self.total", "True"),
    Seed("retry_after is ignored", "taking.py", "wait = max(wait, timedelta(seconds=failure.retry_after))", "pass"),
    Seed(
        "jitter is taken from the clock",
        "taking.py",
        "identity.chance(leg.command_id)",
        "turn.at.timestamp() % 60 / 60",
    ),
    Seed(
        "an unknown pivot is given up",
        "transition.py",
        "(rule.step.is_pivot or rule.retry.allows(",
        "(rule.retry.allows(",
    ),
    Seed("a refusal is asked again", "taking.py", "if not (failure.retryable and leg", "if not (True and leg"),
    # --- the way forward
    Seed(
        "a branch is evaluated again",
        "transition.py",
        "if node.name not in turn.choices:",
        "if direction is FORWARD or node.name not in turn.choices:",
    ),
    Seed(
        "a list is evaluated again",
        "transition.py",
        "if direction is FORWARD and node.name not in turn.lists:",
        "if direction is FORWARD:",
    ),
    Seed("the limit of a list is ignored", "transition.py", "if unsettled == node.limit:", "if False:"),
    Seed(
        "an alternative is not undone before the next",
        "transition.py",
        "            return False\n        trial = turn.trials[node.name]",
        "            pass\n        trial = turn.trials[node.name]",
    ),
    Seed(
        "a delay ends early",
        "turn.py",
        "length_of(node.lasts, self.data)",
        "length_of(node.lasts, self.data) / 2",
    ),
    Seed(
        "a reply is not remembered",
        "taking.py",
        "turn.put(name, FORWARD, DONE)\n        turn.remember(name, reply)",
        "turn.put(name, FORWARD, DONE)",
    ),
    Seed(
        "a child is not told to turn back",
        "transition.py",
        "turn.withdraw(name, run.forward, cause)",
        "pass",
    ),
    Seed(
        "commands are withdrawn that nobody heeds",
        "turn.py",
        "if leg.withdrawn or not self.rule(name).may_be_cancelled:",
        "if leg.withdrawn:",
    ),
    # --- the pivot, the deadline, alarms
    Seed("undone after the pivot", "ending.py", "if turn.pivot_done:", "if False:"),
    Seed("a cancel undoes after the pivot", "taking.py", "if turn.pivot_sent:", "if False:"),
    Seed("the deadline counts after the pivot", "turn.py", "if step.is_pivot:", "if False:"),
    Seed("the deadline is forgotten", "transition.py", "if turn.deadline_passed and turn", "if False and turn"),
    Seed(
        "the alarm of a step stays when it is over",
        "legs.py",
        "        due_at=due_at,\n        payload",
        "        due_at=due_at or leg.due_at,\n        payload",
    ),
    # --- what is heard
    Seed(
        "a second copy of a reply acts", "taking.py", 'return Ignored.DUPLICATE, f"{name} was answered before"', "pass"
    ),
    Seed(
        "a second start begins anew",
        "taking.py",
        'return Ignored.DUPLICATE, "the instance was started before"',
        "return None",
    ),
    Seed("an early event is dropped", "taking.py", "if may_come and turn", "if False and turn"),
    Seed(
        "an event is taken whose key is another",
        "taking.py",
        "awaited.progress is ASKED and awaited.address == happen.address",
        "awaited.progress is ASKED",
    ),
    Seed(
        "a second event is received",
        "taking.py",
        "awaited and awaited.progress is ASKED and awaited",
        "awaited and awaited",
    ),
    Seed("alternatives are lost when it is read again", "snapshot.py", "        trials=state.trials,\n", ""),
    # --- ends, people
    Seed(
        "the outcome leaves twice",
        "turn.py",
        "self.status, self.outcome, self.ended_at = status, outcome, self.at",
        "self.outcome, self.ended_at = outcome, self.at",
    ),
    Seed(
        "a child that was undone may be asked again",
        "ending.py",
        'outcome.model_copy(update={"retryable": False})',
        "outcome",
    ),
    Seed(
        "a running instance is resolved",
        "wishes.py",
        'return _no(f"the instance is {turn.status}: only a stalled one is resolved by hand")',
        "pass",
    ),
    Seed("a paused instance sends", "turn.py", "return self.paused_at is None and (self", "return (self"),
    Seed("a pause does not move timeouts", "wishes.py", "turn.postpone(turn.at - turn.paused_at)", "pass"),
)
