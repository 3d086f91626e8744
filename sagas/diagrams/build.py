"""Builds the sketch of a saga, and of an instance on it: what its picture says, in any format."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any, Generic, assert_never, get_type_hints

from saga_coordinator.contracts import Failure
from saga_coordinator.sagas import Saga
from saga_coordinator.sagas.diagrams.model import Card, CardKind, CardState, Cell, Group, Item, Mark, Sketch, Way
from saga_coordinator.sagas.diagrams.states import NOT_REACHED, States
from saga_coordinator.sagas.diagrams.text import describe_duration, describe_list, in_a_line, limit, ordinal, sendings
from saga_coordinator.sagas.language.nodes import (
    Alternatives,
    Branch,
    D,
    Delay,
    ForEach,
    Node,
    Parallel,
    Receive,
    Series,
    Step,
)
from saga_coordinator.sagas.language.wording import format_count
from saga_coordinator.sagas.machine import Instance, Status
from saga_coordinator.sagas.machine.progress import is_settled


def sketch(saga: Saga[Any, D], instance: Instance[D] | None = None) -> Sketch:
    """Return what the picture of a saga says, with the state of each step when an instance is given."""
    sketcher = Sketcher(saga, instance)
    return Sketch(
        title=f"{saga.name} v{saga.version}",
        summary=sketcher.summary(),
        notes=tuple(sketcher.notes()),
        begin=Cell(sketcher.start(), sketcher.outcome(Status.COMPENSATED)),
        items=tuple(sketcher.items(saga.steps)),
        end=sketcher.outcome(Status.COMPLETED),
        has_states=instance is not None,
    )


class Sketcher(Generic[D]):
    """Builds the parts of a sketch, node by node."""

    def __init__(self, saga: Saga[Any, D], instance: Instance[D] | None) -> None:
        self.saga = saga
        self.instance = instance
        self.states = States(instance) if instance else None

    # --- the whole

    def summary(self) -> str:
        """Return a sentence for readers who do not see the picture."""
        count = len(self.saga.plan.steps)
        text = f"Saga {self.saga.name}, version {self.saga.version}, of {format_count(count, 'step')}"
        if self.instance is None:
            return f"{text}."
        return f"{text}; instance {in_a_line(self.instance.key)} is {self._status(self.instance)}."

    def notes(self) -> Iterator[str]:
        """Yield the deadline and the cancel event of a saga, and the status of an instance with its reason."""
        saga, instance, states = self.saga, self.instance, self.states
        limits = [] if saga.deadline is None else [f"deadline for sending the pivot: {limit(saga.deadline)}"]
        limits += [] if saga.cancel_on is None else [f"cancelled by {saga.cancel_on.message_type}"]
        limits += ["a child saga: its outcome answers the command"] if saga.is_child else []
        if limits:
            yield "; ".join(limits)
        if instance is None or states is None:
            return
        began = states.calendar.format_full(instance.started_at)
        yield f"instance {in_a_line(instance.key)}: {self._status(instance)}, started {began}; times are in UTC"
        for what, cause in (("failed", instance.cause), ("stalled", instance.stall)):
            if cause is not None:
                place = f" at {in_a_line(cause.step)}" if cause.step else ""
                text = ": ".join(filter(None, (cause.code, cause.message)))
                yield f"{what}{place}: {in_a_line(text)}"

    def _status(self, instance: Instance[D]) -> str:
        return f"{instance.status}{', paused' if instance.paused_at else ''}"

    def start(self) -> Card:
        state = None
        if self.instance is not None and self.states is not None:
            state = CardState(Mark.DONE, "started", (f"at {self.states.calendar.format(self.instance.started_at)}",))
        return Card(kind=CardKind.START, name="start", title=self.saga.starts_on.message_type, state=state)

    def outcome(self, status: Status) -> Card:
        function = self.saga.on_completed if status is Status.COMPLETED else self.saga.on_compensated
        made = Failure if function is None else get_type_hints(function)["return"]
        return Card(
            kind=CardKind.OUTCOME,
            name=status.value,
            title=made.message_type,
            details=(status.value,),
            state=self._outcome_state(status),
        )

    def _outcome_state(self, status: Status) -> CardState | None:
        if self.instance is None or self.states is None:
            return None
        ended = self.instance.ended_at
        if self.instance.status is not status or ended is None:
            return NOT_REACHED
        return CardState(Mark.DONE, status.value, (f"at {self.states.calendar.format(ended)}",))

    # --- nodes

    def items(self, nodes: tuple[Node[D], ...]) -> Iterator[Item]:
        """Yield the items of a sequence; those of a series stand among them."""
        for node in nodes:
            match node:
                case Step() | Receive() | Delay():
                    yield self._cell(node)
                case ForEach():
                    yield Group(rule=describe_list(node), ways=(Way((self._each(node),)),))
                case Series():
                    yield from self.items(node.nodes)
                case Parallel():
                    yield Group(rule="all at once", ways=tuple(self._way(member) for member in node.nodes))
                case Branch():
                    yield self._branch(node)
                case Alternatives():
                    yield self._alternatives(node)
                case _:
                    assert_never(node)

    def _way(self, node: Node[D], label: str = "", fate: str = "") -> Way:
        return Way(tuple(self.items((node,))), label, fate)

    def _branch(self, node: Branch[D]) -> Group:
        chosen = self.instance.choices.get(node.name) if self.instance else None
        ways = tuple(
            Way(tuple(self.items(nodes)), label, "taken" if chosen is holds else "")
            for label, holds, nodes in (("yes", True, node.nodes), ("no", False, node.otherwise))
        )
        return Group(rule="", ways=ways, choice=Card(kind=CardKind.CHOICE, name=node.name, title=node.name))

    def _alternatives(self, node: Alternatives[D]) -> Group:
        ways = (
            self._way(member, ordinal(number), self._fate(node, number)) for number, member in enumerate(node.nodes)
        )
        attempt = self.instance.attempts.get(node.name) if self.instance else None
        cause = attempt.cause if attempt else None
        note = in_a_line(f"left for {cause.code}{f' at {cause.step}' if cause.step else ''}") if cause else ""
        return Group(rule=f"{node.name}: one of, in turn, until one succeeds", ways=tuple(ways), note=note)

    def _fate(self, node: Alternatives[D], number: int) -> str:
        if self.instance is None:
            return ""
        attempt = self.instance.attempts.get(node.name)
        if attempt is None or number > attempt.number:
            return "not tried"
        if number < attempt.number:
            return "left"
        if attempt.cause is not None:
            return "being undone"
        if is_settled(self.instance, node.nodes[number]):
            return "taken"
        return "tried" if self.instance.cause else "being tried"

    # --- leaves

    def _cell(self, node: Step[D] | Receive[D] | Delay[D]) -> Cell:
        if isinstance(node, Step):
            return self._step(node)
        return Cell(self._receive(node) if isinstance(node, Receive) else self._delay(node))

    def _step(self, step: Step[D]) -> Cell:
        name, rule = step.name, self.saga.plan.steps[step.name]
        kind = CardKind.PIVOT if step.is_pivot else CardKind.CHILD if rule.command.cancellable else CardKind.STEP
        words = {CardKind.PIVOT: "pivot: no way back", CardKind.CHILD: "carried out by a child saga"}
        lines = (words[kind],) if kind in words else ()
        card = self._sending(step, kind, lines, self.states.of_step(name) if self.states else None)
        return Cell(card, self._undo(step, self.states.of_undo(name) if self.states else None))

    def _each(self, node: ForEach[D]) -> Cell:
        states = self.states
        card = self._sending(node.step, CardKind.EACH, (), states.of_list(node.name) if states else None)
        return Cell(card, self._undo(node.step, states.of_list_undo(node.step) if states else None))

    def _sending(self, step: Step[D], kind: CardKind, lines: tuple[str, ...], state: CardState | None) -> Card:
        rule = self.saga.plan.steps[step.name]
        details = (rule.command.message_type, f"within {describe_duration(step.timeout)}{sendings(rule.retry)}")
        return Card(kind=kind, name=step.name, title=step.name, lines=lines, details=details, state=state)

    def _undo(self, step: Step[D], state: CardState | None) -> Card | None:
        undo = self.saga.plan.steps[step.name].undo
        if step.compensate is None or undo is None:
            return None
        return Card(
            kind=CardKind.UNDO,
            name=f"undo {step.name}",
            title=step.compensate.__name__,
            details=(undo.message_type,),
            state=state,
        )

    def _receive(self, node: Receive[D]) -> Card:
        lines = (f"receives {node.event.message_type}", f"within {describe_duration(node.timeout)}")
        state = self.states.of_receive(node.name) if self.states else None
        return Card(kind=CardKind.RECEIVE, name=node.name, title=node.name, lines=lines, state=state)

    def _delay(self, node: Delay[D]) -> Card:
        if node.until is not None:
            line = f"waits until {node.until.__name__}"
        else:
            line = f"waits {describe_duration(node.lasts or timedelta(0))}"
        state = self.states.of_delay(node.name) if self.states else None
        return Card(kind=CardKind.DELAY, name=node.name, title=node.name, lines=(line,), state=state)
