"""Employee onboarding: sign the contract, prepare everything, wait for the first day, activate the account."""

from datetime import datetime, timedelta

from pydantic import AwareDatetime, BaseModel, ConfigDict

from saga_coordinator import Cause, Retry, Saga, branch, delay, parallel, pivot, receive, series, step
from saga_coordinator.contracts.messages.accounts import (
    AccountOpened,
    ActivateAccount,
    CloseAccount,
    GrantLicences,
    OpenAccount,
    RevokeLicences,
)
from saga_coordinator.contracts.messages.equipment import HandOverLaptop, LaptopOrdered, OrderLaptop, ReturnLaptop
from saga_coordinator.contracts.messages.hiring import EmployeeOnboarded, HireAgreed, HireWithdrawn, OnboardingAbandoned
from saga_coordinator.contracts.messages.payroll import StartPay
from saga_coordinator.contracts.messages.provisioning import DecommissionServers, ProvisionServers, Server
from saga_coordinator.contracts.messages.signing import ContractSent, ContractSigned, SendContract, WithdrawContract

SIGNED_WITHIN = timedelta(days=14)
LATEST_ACTIVATION = timedelta(days=3)
DAILY = Retry(attempts=4, first=timedelta(hours=1), factor=4, cap=timedelta(days=1))


class OnboardingData(BaseModel):
    """What an onboarding remembers."""

    model_config = ConfigDict(frozen=True)

    employee_id: str
    full_name: str
    private_email: str
    role: str
    starts_at: AwareDatetime
    developer_servers: int
    document_id: str = ""
    login: str | None = None
    asset_id: str | None = None


def employee_id(event: HireAgreed | HireWithdrawn) -> str:
    return event.employee_id


def begin(event: HireAgreed) -> OnboardingData:
    return OnboardingData.model_validate(event.model_dump())


def latest_activation(data: OnboardingData) -> datetime:
    return data.starts_at + LATEST_ACTIVATION


def send_contract(data: OnboardingData) -> SendContract:
    return SendContract(
        employee_id=data.employee_id,
        full_name=data.full_name,
        email=data.private_email,
        role=data.role,
        starts_at=data.starts_at,
    )


def contract_sent(data: OnboardingData, reply: ContractSent) -> OnboardingData:
    return data.model_copy(update={"document_id": reply.document_id})


def withdraw_contract(data: OnboardingData) -> WithdrawContract:
    return WithdrawContract(employee_id=data.employee_id, document_id=data.document_id or None)


def signed_document(event: ContractSigned) -> str:
    return event.document_id


def sent_document(data: OnboardingData) -> str:
    return data.document_id


def open_account(data: OnboardingData) -> OpenAccount:
    return OpenAccount(employee_id=data.employee_id, full_name=data.full_name, role=data.role)


def account_opened(data: OnboardingData, reply: AccountOpened) -> OnboardingData:
    return data.model_copy(update={"login": reply.login})


def close_account(data: OnboardingData) -> CloseAccount:
    return CloseAccount(employee_id=data.employee_id, login=data.login)


def grant_licences(data: OnboardingData) -> GrantLicences:
    return GrantLicences(login=data.login or "", role=data.role)


def revoke_licences(data: OnboardingData) -> RevokeLicences:
    return RevokeLicences(login=data.login or "")


def order_laptop(data: OnboardingData) -> OrderLaptop:
    return OrderLaptop(employee_id=data.employee_id, role=data.role)


def laptop_ordered(data: OnboardingData, reply: LaptopOrdered) -> OnboardingData:
    return data.model_copy(update={"asset_id": reply.asset_id})


def return_laptop(data: OnboardingData) -> ReturnLaptop:
    return ReturnLaptop(employee_id=data.employee_id, asset_id=data.asset_id)


def needs_servers(data: OnboardingData) -> bool:
    return data.developer_servers > 0


def provision_servers(data: OnboardingData) -> ProvisionServers:
    names = [f"{data.employee_id}-{number}" for number in range(1, data.developer_servers + 1)]
    servers = tuple(Server(name=name, cores=4, memory_gb=16, disk_gb=100) for name in names)
    return ProvisionServers(request_id=data.employee_id, owner=data.employee_id, servers=servers)


def decommission_servers(data: OnboardingData) -> DecommissionServers:
    return DecommissionServers(request_id=data.employee_id)


def first_day(data: OnboardingData) -> datetime:
    return data.starts_at


def activate_account(data: OnboardingData) -> ActivateAccount:
    return ActivateAccount(login=data.login or "")


def hand_over_laptop(data: OnboardingData) -> HandOverLaptop:
    return HandOverLaptop(employee_id=data.employee_id, asset_id=data.asset_id or "")


def start_pay(data: OnboardingData) -> StartPay:
    return StartPay(employee_id=data.employee_id, starts_at=data.starts_at)


def employee_onboarded(data: OnboardingData) -> EmployeeOnboarded:
    return EmployeeOnboarded(employee_id=data.employee_id, login=data.login or "")


def onboarding_abandoned(data: OnboardingData, cause: Cause) -> OnboardingAbandoned:
    return OnboardingAbandoned(employee_id=data.employee_id, step=cause.step, code=cause.code, message=cause.message)


employee_onboarding = Saga(
    name="employee-onboarding",
    version=1,
    starts_on=HireAgreed,
    correlate=employee_id,
    begin=begin,
    deadline=latest_activation,
    steps=(
        step("send-contract", send_contract, remember=contract_sent, compensate=withdraw_contract),
        receive("contract-signed", ContractSigned, key=signed_document, expects=sent_document, timeout=SIGNED_WITHIN),
        parallel(
            series(
                step("open-account", open_account, remember=account_opened, compensate=close_account),
                step("grant-licences", grant_licences, compensate=revoke_licences),
            ),
            step(
                "order-laptop",
                order_laptop,
                remember=laptop_ordered,
                compensate=return_laptop,
                timeout=timedelta(days=1),
                retry=DAILY,
            ),
            branch(
                needs_servers,
                step(
                    "provision-servers",
                    provision_servers,
                    compensate=decommission_servers,
                    timeout=timedelta(hours=4),
                ),
            ),
        ),
        delay("first-day", until=first_day),
        pivot("activate-account", activate_account, timeout=timedelta(minutes=10)),
        parallel(
            step("hand-over-laptop", hand_over_laptop, timeout=timedelta(hours=8)),
            step("start-pay", start_pay, timeout=timedelta(hours=1)),
        ),
    ),
    on_completed=employee_onboarded,
    on_compensated=onboarding_abandoned,
    cancel_on=HireWithdrawn,
)
