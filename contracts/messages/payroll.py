"""The conversation with the payroll: start to pay."""

from pydantic import AwareDatetime

from saga_coordinator.contracts.message import Command, Done

TOPIC = "payroll.commands.v1"


class StartPay(Command[Done]):
    """Pay the employee from a day on."""

    message_type = "payroll.start-pay.v1"
    topic = TOPIC

    employee_id: str
    starts_at: AwareDatetime
