"""The events about hiring: those that start and withdraw an onboarding, and its two outcomes."""

from pydantic import AwareDatetime

from saga_coordinator.contracts.message import Event

TOPIC = "hiring.events.v1"


class HireAgreed(Event):
    """A candidate and the company agree. `starts_at` is the first working day, with its zone.

    `developer_servers` is how many servers of their own the role brings with it.
    """

    message_type = "hiring.hire-agreed.v1"
    topic = TOPIC

    employee_id: str
    full_name: str
    private_email: str
    role: str
    starts_at: AwareDatetime
    developer_servers: int = 0


class HireWithdrawn(Event):
    """One of the two has withdrawn."""

    message_type = "hiring.hire-withdrawn.v1"
    topic = TOPIC

    employee_id: str
    reason: str


class EmployeeOnboarded(Event):
    """The employee is at work, and is paid."""

    message_type = "hiring.employee-onboarded.v1"

    employee_id: str
    login: str


class OnboardingAbandoned(Event):
    """The employee will not come, and every preparation is compensated. `step` is the step that failed, or None."""

    message_type = "hiring.onboarding-abandoned.v1"

    employee_id: str
    step: str | None
    code: str
    message: str
