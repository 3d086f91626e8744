"""Stories in which the coordinator cannot carry out what the definition asks: the one word an author does not need."""

from dataclasses import replace

from saga_coordinator.sagas import Cause
from saga_coordinator.sagas.machine import Block, Direction, transition
from saga_coordinator.sagas.testing.scenario import Scenario
from tests.support.saga_kit import Data

TOO_LARGE = "too-large"


def obstructed(
    scenario: Scenario[Data], step: str | None = None, direction: Direction = Direction.FORWARD
) -> Scenario[Data]:
    """The last command of a step cannot be published; without a step: something else is in the way."""
    sent = [send for send in scenario.sent if (send.step, send.direction) == (step, direction)]
    cause = Cause(step, TOO_LARGE, "it is larger than its topic takes")
    signal = Block(scenario.at, cause, sent[-1].command_id if sent else None)
    return replace(scenario, instance=transition(scenario.saga, scenario.instance, signal).instance, unnamed=())
