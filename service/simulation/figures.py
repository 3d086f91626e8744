"""The figures of a simulation: final statuses, cycle times, and the load of the participants."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

from saga_coordinator.sagas.machine import Status
from saga_coordinator.service.percentile import percentile
from saga_coordinator.service.simulation.agenda import SECOND
from saga_coordinator.service.simulation.engine import SENT, Simulation, Why
from saga_coordinator.service.simulation.participants import SimulatedParticipant

PERCENTILES = (50, 90, 95, 99)
IN_ORDER = (Status.COMPLETED, Status.COMPENSATED, Status.STALLED, Status.COMPENSATING, Status.RUNNING)
"""The three in which an instance ends or stalls, and those of one that was cut off by the end of the simulation."""

MAX_RAISED = 20
"""So many different exceptions are listed, the most frequent first."""


@dataclass(frozen=True, slots=True)
class Spread:
    """How durations are spread, in seconds. A percentile is the least value that so many per cent do not exceed."""

    count: int
    mean: float
    p50: float
    p90: float
    p95: float
    p99: float
    max: float


@dataclass(frozen=True, slots=True)
class ParticipantLoad:
    """The load of one participant.

    `requests` are all commands that it was sent, `carried_out` those that it has worked on. `busy` is the share of its
    places that were taken while instances started (None: it has any number of places), `at_once` how many were taken
    on average. `peak` is the most commands that it had at a time, waiting ones too. Waiting is in seconds.
    """

    requests: int
    carried_out: int
    done: int
    refused: int
    retryable: int
    lost: int
    busy: float | None
    at_once: float
    peak: int
    waited_p50: float
    waited_p99: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """All figures. Counts are by step; cycle times by final status.

    `why` (of what was compensated) and `stalls` are by what went wrong.
    """

    saga: str
    version: int
    instances: int
    seed: int
    virtual_s: float
    transitions: int
    statuses: Mapping[str, int]
    completion_rate: float
    cycle_time_s: Mapping[str, Spread]
    steps: Mapping[str, Mapping[str, int]]
    why: Sequence[tuple[Why, int]]
    stalls: Sequence[tuple[Why, int]]
    events: Mapping[str, Mapping[str, int]]
    raised: Mapping[str, int]
    participants: Mapping[str, ParticipantLoad]

    def as_json(self) -> dict[str, object]:
        figures = asdict(self)
        for name in ("why", "stalls"):
            figures[name] = [{**asdict(why), "count": count} for why, count in getattr(self, name)]
        return figures


def figures(simulation: Simulation, seed: int) -> Figures:
    """Compute the figures of a simulation that has run."""
    tally = simulation.tally
    counts = Counter(each.status for each in tally.endings)
    statuses = {status.value: counts[status] for status in IN_ORDER if counts[status]}
    whys = Counter(each.why for each in tally.endings if each.why and each.status is not Status.STALLED)
    stalls = Counter(each.why for each in tally.endings if each.why and each.status is Status.STALLED)
    return Figures(
        saga=simulation.saga.name,
        version=simulation.saga.version,
        instances=simulation.instances,
        seed=seed,
        virtual_s=max((each.ended for each in tally.endings), default=0) / SECOND,
        transitions=tally.transitions,
        statuses=statuses,
        completion_rate=statuses.get("completed", 0) / simulation.instances,
        cycle_time_s={status: spread(times) for status, times in cycle_times(simulation).items()},
        steps={name: {what: tally.steps[name][what] for what in SENT} for name in simulation.saga.plan.steps},
        why=_ranked(whys),
        stalls=_ranked(stalls),
        events={name: dict(sorted(counts.items())) for name, counts in sorted(tally.events.items())},
        raised=dict(sorted(tally.raised.items(), key=lambda each: (-each[1], each[0]))[:MAX_RAISED]),
        participants={
            name: load(participant, simulation.last_start) for name, participant in simulation.participants.items()
        },
    )


def cycle_times(simulation: Simulation) -> dict[str, list[float]]:
    """Return how long instances took, in seconds, in order, by the status in which they ended or stalled."""
    times: dict[str, list[float]] = {}
    for status in IN_ORDER[:3]:
        found = sorted((e.ended - e.began) / SECOND for e in simulation.tally.endings if e.status is status)
        if found:
            times[status.value] = found
    return times


def spread(ordered: Sequence[float]) -> Spread:
    """Return how values, which are in order and at least one, are spread."""
    p50, p90, p95, p99 = (round(percentile(ordered, each), 6) for each in PERCENTILES)
    mean = math.fsum(ordered) / len(ordered)
    return Spread(len(ordered), round(mean, 6), p50, p90, p95, p99, round(ordered[-1], 6))


def load(participant: SimulatedParticipant, window: int) -> ParticipantLoad:
    """Compute the load of a participant; `window` is the time during which instances started."""
    log = participant.log
    arrived, began, ended = log[0::3], log[1::3], log[2::3]
    waited = sorted((b - a) / SECOND for a, b in zip(arrived, began, strict=True))
    worked = sum(max(min(e, window) - b, 0) for b, e in zip(began, ended, strict=True))
    at_once = worked / window if window else 0.0
    places = participant.model.concurrency
    return ParticipantLoad(
        requests=participant.requests,
        carried_out=len(arrived),
        **participant.answers,
        busy=None if places is None else round(at_once / places, 6),
        at_once=round(at_once, 6),
        peak=_peak(list(arrived), list(ended)),
        waited_p50=round(percentile(waited, 50), 6),
        waited_p99=round(percentile(waited, 99), 6),
    )


def _peak(arrived: list[int], ended: list[int]) -> int:
    """Return the most that were there at a time; one that leaves when another arrives does not count."""
    changes = sorted([(at, 1) for at in arrived] + [(at, -1) for at in ended])
    here = most = 0
    for _, change in changes:
        here += change
        most = max(most, here)
    return most


def _ranked(counts: "Counter[Why]") -> list[tuple[Why, int]]:
    return sorted(counts.items(), key=lambda each: (-each[1], each[0].step or "", each[0].direction, each[0].code))
