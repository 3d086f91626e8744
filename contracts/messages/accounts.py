"""The conversation with the directory of accounts: open an inactive one, activate it, close it."""

from saga_coordinator.contracts.message import Command, Done, Reply

TOPIC = "accounts.commands.v1"


class AccountOpened(Reply):
    """The account is there under `login`, and cannot be used yet."""

    message_type = "accounts.account-opened.v1"

    login: str


class OpenAccount(Command[AccountOpened]):
    """Open an account that nobody can use before it is activated."""

    message_type = "accounts.open-account.v1"
    topic = TOPIC

    employee_id: str
    full_name: str
    role: str


class CloseAccount(Command[Done]):
    """Close the account. Without a `login` it was never confirmed: identify it by the employee."""

    message_type = "accounts.close-account.v1"
    topic = TOPIC

    employee_id: str
    login: str | None


class GrantLicences(Command[Done]):
    """Give the account the licences of a role."""

    message_type = "accounts.grant-licences.v1"
    topic = TOPIC

    login: str
    role: str


class RevokeLicences(Command[Done]):
    """Take the account's licences back."""

    message_type = "accounts.revoke-licences.v1"
    topic = TOPIC

    login: str


class ActivateAccount(Command[Done]):
    """Activate the account. A refusal says that the employee did not start."""

    message_type = "accounts.activate-account.v1"
    topic = TOPIC

    login: str
