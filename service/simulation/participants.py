"""A participant in virtual time: commands wait for a free place, are carried out, and are answered or not.

It behaves as one that has the fence of the participant kit: a command id that comes again is not carried out twice.
While it waits or is being carried out the copy is absorbed; later the same answer is given once more.
"""

from array import array
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from saga_coordinator.contracts import Failure, Reply
from saga_coordinator.service.simulation.agenda import Agenda, microseconds
from saga_coordinator.service.simulation.model import Outage, ParticipantBehaviour
from saga_coordinator.service.simulation.resolved_model import Conduct, stream

CANCELLED = "cancelled"
OUT = "out-of-service"
BUSY = "busy"


@dataclass(slots=True, eq=False)
class Job:
    """One command at a participant. `outcome` is the reply, once it is decided; `answer` delivers it."""

    conduct: Conduct
    answer: Callable[[Reply], None]
    arrived: int
    began: int = 0
    is_done: bool = False
    is_unwanted: bool = False
    outcome: Reply | None = None


class SimulatedParticipant:
    """One participant. Its log has three times for each command that it carried out."""

    def __init__(self, name: str, model: ParticipantBehaviour, agenda: Agenda, seed: int) -> None:
        """Schedule the ends of outages."""
        self.model = model
        self.log = array("q")
        """For each command carried out: when it arrived, when it was begun, when it was done."""
        self.answers = dict.fromkeys(("done", "refused", "retryable", "lost"), 0)
        self.requests = 0
        self._agenda = agenda
        self._chances = {purpose: stream(seed, f"{name}: {purpose}") for purpose in ("latency", "outcome", "loss")}
        self._waiting: deque[Job] = deque()
        self._busy = 0
        for outage in model.outages:
            agenda.schedule(microseconds(outage.begins + outage.lasts), self._start_waiting_jobs)

    def take(self, command_id: str, conduct: Conduct, jobs: dict[str, Job], answer: Callable[[Reply], None]) -> None:
        """Receive a command; `jobs` are those of the same instance, by their ids."""
        self.requests += 1
        known = jobs.get(command_id)
        if known is not None and not known.is_done:
            return
        job = Job(conduct, answer, self._agenda.now, outcome=known.outcome if known else None)
        jobs[command_id] = job
        self._waiting.append(job)
        self._start_waiting_jobs()

    def withdraw(self, job: Job) -> None:
        if not job.is_done and self._hits("outcome", job.conduct.honoured):
            job.is_unwanted = True

    def _start_waiting_jobs(self) -> None:
        """Begin the waiting jobs for which there is room."""
        room = self.model.concurrency
        while self._waiting and (room is None or self._busy < room) and not self._is_out("nothing"):
            self._begin(self._waiting.popleft())

    def _begin(self, job: Job) -> None:
        self._busy += 1
        job.began = self._agenda.now
        if job.outcome is None:
            job.outcome = self._outcome(job.conduct)
        self._agenda.after(job.conduct.latency.draw(self._chances["latency"]), partial(self._finish, job))

    def _finish(self, job: Job) -> None:
        """End a job, answer it unless the reply is lost, and begin the next one."""
        self._busy -= 1
        job.is_done = True
        self.log.extend((job.arrived, job.began, self._agenda.now))
        outcome = job.outcome = self._outcome_in_the_end(job)
        if isinstance(outcome, Failure):
            self.answers["retryable" if outcome.retryable else "refused"] += 1
        else:
            self.answers["done"] += 1
        if self._hits("loss", job.conduct.lost):
            self.answers["lost"] += 1
        else:
            job.answer(outcome)
        self._start_waiting_jobs()

    def _outcome(self, conduct: Conduct) -> Reply:
        chance = self._chances["outcome"]
        number = chance.random()
        if self._is_out("retryable"):
            return _again(OUT, conduct)
        if number < conduct.retryable:
            return _again(BUSY, conduct)
        if number < conduct.retryable + conduct.refused:
            return Failure(code=conduct.code, message="refused in the simulation", retryable=False)
        return conduct.replies.draw(chance)

    def _outcome_in_the_end(self, job: Job) -> Reply:
        """Return the reply that was decided; a child saga that was withdrawn meanwhile is compensated."""
        assert job.outcome is not None, "it was decided when it was begun"  # noqa: S101  for the type checker
        if job.is_unwanted and not isinstance(job.outcome, Failure):
            return Failure(code=CANCELLED, message="withdrawn in the simulation", retryable=False)
        return job.outcome

    def _is_out(self, answers: str) -> bool:
        return any(each.answers == answers and _covers(each, self._agenda.now) for each in self.model.outages)

    def _hits(self, purpose: str, share: float) -> bool:
        return share > 0 and self._chances[purpose].random() < share


def _again(code: str, conduct: Conduct) -> Failure:
    return Failure(code=code, message="failed in the simulation", retryable=True, retry_after=conduct.retry_after)


def _covers(outage: Outage, at: int) -> bool:
    return microseconds(outage.begins) <= at < microseconds(outage.begins + outage.lasts)
