"""Laws of time: alarms, timeouts, delays and the deadline (I4, I18, I19)."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from saga_coordinator.sagas.machine import Delay, Progress, Status
from saga_coordinator.sagas.testing.explorer.turn import Turned, Violation
from saga_coordinator.sagas.testing.explorer.world import World


def i4_whatever_is_awaited_has_a_timer(turned: Turned) -> Iterator[Violation]:
    """An active instance is woken no later than the first thing is due that it waits for; any other never."""
    one, after = turned.after.instance, turned.after
    if not one.is_active:
        if one.next_timer_at is not None:
            yield Violation(f"it is {one.status}, and has an alarm", "assert story.instance.next_timer_at is None")
        return
    if one.next_timer_at is None:
        yield Violation(
            "it is active, and nothing will ever wake it", "assert story.instance.next_timer_at is not None"
        )
        return
    for what, due_at in _due(after):
        if after.now < due_at < one.next_timer_at:
            claim = f"assert story.instance.next_timer_at <= story.at + {due_at - after.now!r}"
            yield Violation(f"{what} is due at {due_at}, and the alarm rings at {one.next_timer_at} only", claim)


def _due(world: World) -> Iterator[tuple[str, datetime]]:
    for (step, direction), call in world.open():
        command_state = world.instance.steps[step].command_state(direction)
        if command_state is not None and command_state.progress is Progress.ASKED:
            yield step, call.due_at
    for name, run in world.instance.waits.items():
        if run.progress is Progress.ASKED:
            yield name, world.waits[name].due_at


def i4_the_timer_is_no_earlier_than_needed(turned: Turned) -> Iterator[Violation]:
    """An alarm stands for something: a timeout, a retry, a wait or the deadline."""
    one, after = turned.after.instance, turned.after
    if one.next_timer_at is None:
        return
    times = {due_at for _, due_at in _due(after)} | {one.deadline_at}
    times |= {
        command_state.due_at
        for run in one.steps.values()
        for command_state in (run.forward, run.compensation)
        if command_state
    }
    if one.next_timer_at not in times:
        yield Violation("the alarm stands for nothing that is due", "assert story.instance.next_timer_at is None")


def i18_the_deadline_counts_until_the_pivot_is_sent(turned: Turned) -> Iterator[Violation]:
    """At the deadline an instance turns back whose pivot was not sent; it does not move."""
    saga, after = turned.after.saga, turned.after
    one = after.instance
    if saga.deadline is None or one.status is not Status.RUNNING or turned.decision.ignored:
        return
    if after.pivot is not None:
        if one.deadline_at is not None:
            yield Violation("the pivot was sent, and the deadline counts", "assert story.instance.deadline_at is None")
        return
    span = saga.deadline
    start = turned.heard.instance
    deadline = start.started_at + span if isinstance(span, timedelta) else span(saga.begin(after.start))
    if one.deadline_at != deadline:
        yield Violation(
            f"the deadline is {one.deadline_at}, not {deadline}", "assert story.instance.deadline_at is None"
        )
    elif deadline <= after.now and one.is_active:
        yield Violation("the deadline has passed, and it goes on", "assert story.status is not Status.RUNNING")


def i19_whatever_is_due_is_acted_upon_once(turned: Turned) -> Iterator[Violation]:
    """After a turn nothing is due any more, and nothing is sent twice in it."""
    next_timer_at = turned.after.instance.next_timer_at
    if not turned.decision.ignored and next_timer_at is not None and next_timer_at <= turned.after.now:
        yield Violation("something that was due is still due", "assert story.instance.next_timer_at > story.at")
    ids = [send.command_id for send in turned.decision.commands]
    if len(ids) != len(set(ids)):
        yield Violation(
            "a command is sent twice in one turn",
            "assert len({each.command_id for each in story.unnamed}) == len(story.unnamed)",
        )


def a_delay_lasts_as_long_as_declared(turned: Turned) -> Iterator[Violation]:
    """What follows a delay is not reached before its end, and the end does not move."""
    for node in turned.after.order.nodes:
        run = turned.after.instance.waits.get(node.name) if isinstance(node, Delay) else None
        if run is None or not isinstance(node, Delay):
            continue
        due_at = turned.after.waits[node.name].due_at
        if run.due_at != due_at:
            yield Violation(
                f"{node.name} ends at {run.due_at}, not at {due_at}",
                f"assert story.instance.waits[{node.name!r}].due_at == story.at + {due_at - turned.after.now!r}",
            )
        if run.progress is Progress.DONE and due_at > turned.after.now:
            yield Violation(
                f"{node.name} is over before its time",
                f"assert story.instance.waits[{node.name!r}].progress == 'asked'",
            )
