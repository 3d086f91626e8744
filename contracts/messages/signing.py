"""The conversation with the signing service: request a signature, and the event that it was given."""

from pydantic import AwareDatetime

from saga_coordinator.contracts.message import Command, Done, Event, Reply

TOPIC = "signing.commands.v1"


class ContractSent(Reply):
    """The contract is sent to its signer as `document_id`."""

    message_type = "signing.contract-sent.v1"

    document_id: str


class SendContract(Command[ContractSent]):
    """Send a contract of employment to be signed."""

    message_type = "signing.send-contract.v1"
    topic = TOPIC

    employee_id: str
    full_name: str
    email: str
    role: str
    starts_at: AwareDatetime


class WithdrawContract(Command[Done]):
    """Void the contract. Without a `document_id` its sending was never confirmed: identify it by the employee."""

    message_type = "signing.withdraw-contract.v1"
    topic = TOPIC

    employee_id: str
    document_id: str | None


class ContractSigned(Event):
    """A document was signed by everybody whose signature it needs."""

    message_type = "signing.contract-signed.v1"
    topic = "signing.events.v1"

    document_id: str
    signed_at: AwareDatetime
