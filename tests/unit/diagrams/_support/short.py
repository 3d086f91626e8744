"""A short saga in every situation that a picture can show."""

from datetime import timedelta

from saga_coordinator.sagas import Retry
from saga_coordinator.sagas.testing.scenario import Scenario, given
from tests.support.saga_kit import Begun, Data, Did, compensatable, point_of_no_return, retriable, saga

TWICE = Retry(attempts=2, first=timedelta(seconds=10), jitter=0.0)
SHORT = saga(
    compensatable("a", retry=TWICE, compensate_retry=TWICE),
    point_of_no_return("p", retry=TWICE),
    retriable("z"),
    deadline=timedelta(hours=1),
)

RUNNING = given(SHORT, Begun())
AT_THE_PIVOT = RUNNING.replies("a", Did())
PAST_THE_PIVOT = AT_THE_PIVOT.replies("p", Did())
COMPENSATING = AT_THE_PIVOT.fails("p", code="no")

SITUATIONS: dict[str, Scenario[Data]] = {
    "running": RUNNING,
    "waiting to ask again": RUNNING.fails("a", code="busy", retryable=True),
    "paused": RUNNING.pauses(),
    "at the pivot": AT_THE_PIVOT,
    "pivot waiting": AT_THE_PIVOT.fails("p", code="busy", retryable=True),
    "past the pivot": PAST_THE_PIVOT,
    "cancelled": RUNNING.cancels(),
    "compensating": COMPENSATING,
    "compensating, paused": COMPENSATING.pauses(),
    "stalled past the pivot": PAST_THE_PIVOT.fails("z", code="no"),
    "stalled compensating": COMPENSATING.undo_fails("a", code="no"),
    "completed": PAST_THE_PIVOT.replies("z", Did()),
    "compensated": COMPENSATING.undone("a"),
}
