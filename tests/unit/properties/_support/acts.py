"""What may happen in a world, well or badly."""

from enum import Enum


class Act(Enum):
    """What may happen next in the world."""

    ADVANCE = "a reply arrives, or a participant handles a command, or else the timer fires"
    HANDLE_COPY = "a participant handles a copy of a command that is still on its way"
    LOSE_COMMAND = "a command is lost"
    ANSWER_COPY = "a copy of a reply arrives"
    LOSE_REPLY = "a reply is lost"
    TIMER = "time passes until the timer fires"
    OUTAGE = "time passes until the timer fires while the commands are still in the outbox"
    TO_THE_INSTANT = "time passes until the timer is due, but something else comes first"
    A_WHILE = "some time passes"
    CLOCK_BACK = "the clock is set back by up to an hour (I21)"
    EARLY_TIMER = "a timer fires, due or not"
    CANCEL = "somebody cancels"
    PAUSE = "an operator pauses"
    RESUME = "an operator resumes"
    PARK = "a record fails for the instance"
    UNPARK = "the record is redriven"
    START_AGAIN = "the start comes once more"
    STRANGER = "a reply to nothing arrives"
    EVENT = "a business event happens"
    EVENT_COPY = "a copy of a business event arrives"
    WITHDRAW = "a withdrawal reaches who carries the command out"
    LOSE_WITHDRAWAL = "a withdrawal is lost"
    OBSTRUCT = "a command that was to be sent cannot be published"
    RETRY = "an operator lets something be asked again"
    SKIP = "an operator takes something for done"
    RESOLVE = "an operator ends a stalled instance"
