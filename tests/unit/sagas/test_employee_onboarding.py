"""Employee onboarding: signed before anything is bought, ready on the first day, and undone when nobody comes."""

from datetime import UTC, datetime, timedelta

import pytest

from saga_coordinator.contracts import Done
from saga_coordinator.contracts.messages.accounts import AccountOpened
from saga_coordinator.contracts.messages.equipment import LaptopOrdered
from saga_coordinator.contracts.messages.hiring import EmployeeOnboarded, HireAgreed, OnboardingAbandoned
from saga_coordinator.contracts.messages.provisioning import ProvisionServers, Server, ServersProvisioned
from saga_coordinator.contracts.messages.signing import ContractSent, ContractSigned, WithdrawContract
from saga_coordinator.sagas import CANCELLED, DEADLINE_PASSED, TIMED_OUT
from saga_coordinator.sagas.catalog.employee_onboarding import OnboardingData, employee_onboarding
from saga_coordinator.sagas.machine import Ignored, Status
from saga_coordinator.sagas.testing.scenario import BEGINNING, Scenario, given

DAY = timedelta(days=1)
FIRST_DAY = datetime(2026, 2, 2, 8, tzinfo=UTC)
SIGNED = ContractSigned(document_id="doc-1", signed_at=datetime(2026, 1, 4, 9, tzinfo=UTC))


def hired(servers: int = 0) -> HireAgreed:
    return HireAgreed(
        employee_id="e-1",
        full_name="Ada Lovelace",
        private_email="ada@example.org",
        role="engineer",
        starts_at=FIRST_DAY,
        developer_servers=servers,
    )


def sent(servers: int = 0) -> Scenario[OnboardingData]:
    return given(employee_onboarding, hired(servers)).replies("send-contract", ContractSent(document_id="doc-1"))


def prepared(servers: int = 0) -> Scenario[OnboardingData]:
    return (
        sent(servers)
        .happens(SIGNED)
        .replies("open-account", AccountOpened(login="ada"))
        .replies("grant-licences", Done())
        .replies("order-laptop", LaptopOrdered(asset_id="l-1"))
    )


def test_who_has_signed_finds_everything_ready_on_the_first_day() -> None:
    story = given(employee_onboarding, hired()).expects("send-contract")
    story = story.replies("send-contract", ContractSent(document_id="doc-1")).expects()
    story = story.happens(SIGNED).expects("open-account", "order-laptop")
    story = story.replies("open-account", AccountOpened(login="ada")).expects("grant-licences")
    story = story.replies("grant-licences", Done()).replies("order-laptop", LaptopOrdered(asset_id="l-1")).expects()
    story = story.passes(FIRST_DAY - BEGINNING).expects("activate-account")
    story = story.replies("activate-account", Done()).expects("hand-over-laptop", "start-pay")
    story = story.replies("start-pay", Done()).replies("hand-over-laptop", Done())
    story.ends(Status.COMPLETED, EmployeeOnboarded(employee_id="e-1", login="ada"))


def test_nothing_happens_before_the_first_day_begins() -> None:
    prepared().passes(FIRST_DAY - BEGINNING - timedelta(seconds=1)).expects()


def test_a_contract_that_is_not_signed_in_two_weeks_is_withdrawn() -> None:
    story = sent().passes(14 * DAY).undoes(WithdrawContract(employee_id="e-1", document_id="doc-1"))
    story = story.undone("send-contract").ends(Status.COMPENSATED)
    assert isinstance(story.outcome, OnboardingAbandoned)
    assert (story.outcome.step, story.outcome.code) == ("contract-signed", TIMED_OUT)


def test_the_signature_of_another_contract_is_none() -> None:
    sent().happens(ContractSigned(document_id="doc-2", signed_at=FIRST_DAY)).ignores(Ignored.LATE)


def test_a_developer_gets_servers_by_a_child_saga() -> None:
    servers = tuple(Server(name=f"e-1-{n}", cores=4, memory_gb=16, disk_gb=100) for n in (1, 2))
    story = sent(servers=2).happens(SIGNED)
    story.expects("open-account", "order-laptop", ProvisionServers(request_id="e-1", owner="e-1", servers=servers))
    story = prepared(servers=2).replies("provision-servers", ServersProvisioned(cloud="private", addresses={}))
    assert "first-day" in story.instance.waits


def test_a_child_that_has_failed_undoes_what_stands_beside_it_all_at_once_and_then_the_contract() -> None:
    (
        prepared(servers=1)
        .fails("provision-servers", code="quota")
        .undoes("grant-licences", "order-laptop")
        .undone("order-laptop")
        .expects()
        .undone("grant-licences")
        .undoes("open-account")
        .undone("open-account")
        .undoes("send-contract")
        .undone("send-contract")
        .ends(
            Status.COMPENSATED,
            OnboardingAbandoned(employee_id="e-1", step="provision-servers", code="quota", message=""),
        )
    )


def test_a_withdrawn_hire_turns_the_child_saga_back_too_and_waits_for_its_answer() -> None:
    story = prepared(servers=1).cancels("found something better").withdraws("provision-servers").expects()
    story = story.fails("provision-servers", code=CANCELLED).undoes("grant-licences", "order-laptop")
    assert story.status is Status.COMPENSATING


def test_a_child_that_was_ready_before_it_heard_of_the_cancel_is_decommissioned() -> None:
    story = prepared(servers=1).cancels("found something better")
    story = story.replies("provision-servers", ServersProvisioned(cloud="private", addresses={}))
    story.undoes("grant-licences", "order-laptop", "provision-servers")


def test_who_does_not_turn_up_on_the_first_day_is_undone() -> None:
    story = prepared().passes(FIRST_DAY - BEGINNING).fails("activate-account", code="not-there")
    story.undoes("grant-licences", "order-laptop")


def test_an_onboarding_that_is_late_beyond_three_days_after_the_first_is_given_up() -> None:
    story = sent().happens(SIGNED).replies("open-account", AccountOpened(login="ada")).pauses()
    story = story.passes(FIRST_DAY + 3 * DAY - BEGINNING).resumes()
    assert story.instance.cause is not None
    assert story.instance.cause.code == DEADLINE_PASSED


@pytest.mark.parametrize("step", ["hand-over-laptop", "start-pay"])
def test_once_the_employee_is_in_there_is_no_way_back(step: str) -> None:
    story = prepared().passes(FIRST_DAY - BEGINNING).replies("activate-account", Done())
    story.cancels().ignores(Ignored.PAST_THE_PIVOT)
    again = story.fails(step, code="closed", retryable=True).passes(timedelta(minutes=5))
    assert [send.attempt for send in again.sent if send.step == step] == [1, 2]
