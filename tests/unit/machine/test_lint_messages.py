"""The linter on messages: what starts and cancels a saga, what it waits for, and children that answer a command."""

from typing import Any, ClassVar

from saga_coordinator.contracts import Command, Done, Event, Reply
from saga_coordinator.sagas import pivot, receive, step
from tests.support.saga_kit import Begun, Data, Stopped, command, key, makes, safe, saga
from tests.unit.machine._support.unsound import (
    Perform,
    Settled,
    a,
    child,
    key_in,
    key_of,
    make,
    problems_of,
    problems_of_child,
    problems_with,
    settled,
    takes,
)


class Nowhere(Event):
    """An event without a topic."""

    message_type = "made.nowhere.v1"


class Typeless(Event):
    topic = "made.events.v1"


class Adrift(Command[Done]):
    """A command without a topic."""

    message_type = "made.adrift.v1"


class Mute(Reply):
    """A reply without a type."""


class Ask(Command[Mute]):
    message_type = "made.ask.v1"
    topic = "made.commands.v1"


class Deaf(Perform):
    """A command whose saga would not receive its withdrawal."""

    message_type = "made.deaf.v1"
    cancellable: ClassVar[bool] = False


class Harmless(Perform):
    message_type = "made.harmless.v1"
    safe: ClassVar[bool] = True


class Replyless(Command[Any]):
    message_type = "made.replyless.v1"
    topic = "made.commands.v1"
    cancellable = True


# --- what is said


def test_an_event_that_is_waited_for_has_a_type_and_a_topic() -> None:
    nowhere = takes(Nowhere | Stopped, makes=str)
    no_topic = "Nowhere, which has no topic: let its class say where it is published"
    no_type = "Typeless, which has no message_type: give its class one, such as orders.placed.v1"

    assert problems_with(starts_on=Nowhere, begin=takes(Nowhere, makes=Data), correlate=nowhere) == (
        f"it starts on {no_topic}",
    )
    assert problems_with(cancel_on=Nowhere, correlate=takes(Begun | Nowhere, makes=str)) == (
        f"it is cancelled by {no_topic}",
    )
    assert problems_of(a, receive("settled", Nowhere, key=takes(Nowhere, makes=str))) == (
        f"receive settled: it awaits {no_topic}",
    )
    assert problems_of(a, receive("settled", Typeless, key=takes(Typeless, makes=str))) == (
        f"receive settled: it awaits {no_type}",
    )


def test_a_command_and_its_reply_have_a_type_and_the_command_a_topic() -> None:
    no_topic = "step a: it sends Adrift, which has no topic: let its class say where it is published"
    message = (
        "step a: Ask is answered with Mute, which has no message_type: give its class one, such as orders.placed.v1"
    )

    assert problems_of(pivot("a", takes(Data, makes=Adrift))) == (no_topic,)
    assert problems_of(step("a", makes(command("a")), compensate=takes(Data, makes=Adrift))) == (no_topic,)
    assert problems_of(pivot("a", takes(Data, makes=Ask))) == (message,)


def test_an_outcome_has_a_type_and_needs_no_topic() -> None:
    assert problems_with(on_completed=takes(Data, makes=Typeless)) == (
        "on_completed makes Typeless, which has no message_type: give its class one, such as orders.placed.v1",
    )


def test_a_compensation_that_changes_nothing_is_refused() -> None:
    assert problems_of(step("a", makes(command("a")), compensate=makes(command("a", undo=True, safe=True)))) == (
        "step a: its compensation Undo a is declared safe, and so would undo nothing: declare it not safe",
    )


def test_a_compensation_that_does_it_again_is_refused() -> None:
    assert problems_of(step("a", make, compensate=make)) == (
        "step a: compensate is the very function that sends it: give it one that undoes",
    )


# --- what starts and cancels


def test_a_saga_starts_on_an_event_or_a_command() -> None:
    message = "it starts on Done, which is neither an event nor a command: let it start on one"

    assert problems_with(starts_on=Done)[0] == message


def test_a_saga_is_not_cancelled_by_what_starts_it() -> None:
    assert problems_with(cancel_on=Begun) == (
        "it starts on Begun, and is cancelled by it too: let another event cancel it",
    )


def test_what_starts_or_cancels_an_instance_is_not_received_by_its_key() -> None:
    assert problems_of(a, receive("again", Begun, key=key)) == (
        (
            "receive again awaits Begun, which starts the instance of its key: "
            "await another event, or another key by expects="
        ),
    )
    assert problems_of(a, receive("stop", Stopped, key=key)) == (
        (
            "receive stop awaits Stopped, which cancels the instance of its key: "
            "await another event, or another key by expects="
        ),
    )
    saga(a, receive("friend", Begun, key=key, expects=key_in))


# --- children


def test_a_child_must_be_cancellable() -> None:
    assert problems_of_child(a, starts_on=Deaf) == (
        "it starts on Deaf, and accepts a cancel of it: declare the command cancellable",
    )


def test_a_child_is_cancelled_by_who_sent_its_command_alone() -> None:
    assert problems_of_child(a, cancel_on=Stopped, correlate=takes(Perform | Stopped, makes=str)) == (
        "it starts on a command, and is cancelled by who sent that: remove cancel_on",
    )


def test_a_childs_event_is_found_by_a_key_of_its_own() -> None:
    assert problems_of_child(a, settled) == (
        (
            "receive settled: an instance that a command has started is not found by its correlation key: "
            "say by expects= which key of the event it awaits"
        ),
    )
    assert child(a, receive("settled", Settled, key=key_of, expects=key_in)).is_child


def test_a_child_that_changes_something_does_not_start_on_a_safe_command() -> None:
    assert problems_of_child(a, starts_on=Harmless) == (
        (
            "it starts on Harmless, which is declared safe, but step a changes something: "
            "declare the command not safe, so that who sends it can undo it"
        ),
    )
    assert child(safe("look"), starts_on=Harmless).is_child


def test_a_command_that_names_no_reply_starts_no_child() -> None:
    parts = {"starts_on": Replyless, "begin": takes(Replyless, makes=Data), "correlate": takes(Replyless, makes=str)}

    assert problems_of_child(a, **parts) == (
        "it starts on Replyless, which names no reply to answer it with: declare it as Command[ItsReply]",
    )


class Blank(Event):
    """An event on a topic whose name no broker accepts."""

    message_type = "made.blank.v1"
    topic = "made events.v1"


class Long(Event):
    message_type = "made.long.v1"
    topic = "e" * 246


def key_of_blank(event: Blank) -> str:
    return event.message_type


def key_of_long(event: Long) -> str:
    return event.message_type


def test_a_topic_has_a_name_that_kafka_accepts_also_with_the_ending_of_its_dead_letters() -> None:
    remedy = "write at most 245 letters, digits, dots, dashes and underscores, such as orders.events.v1"
    assert problems_of(a, receive("r", Blank, key=key_of_blank)) == (
        f"receive r: it awaits Blank, whose topic 'made events.v1' is no name of a topic: {remedy}",
    )
    assert problems_of(a, receive("r", Long, key=key_of_long)) == (
        f"receive r: it awaits Long, whose topic '{'e' * 246}' is no name of a topic: {remedy}",
    )
