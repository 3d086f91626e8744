"""Server provisioning: our own cloud first, then a rented one; all servers or none; a parent can cancel it."""

from datetime import timedelta

from saga_coordinator.contracts import Done, Failure
from saga_coordinator.contracts.messages.dns import PublishNames
from saga_coordinator.contracts.messages.private_cloud import (
    CapacityReserved,
    CreateMachine,
    MachineCreated,
    ReleaseCapacity,
)
from saga_coordinator.contracts.messages.provisioning import ProvisionServers, Server, ServersProvisioned
from saga_coordinator.contracts.messages.public_cloud import DeleteNetwork, MachineRented, NetworkCreated
from saga_coordinator.contracts.messages.server_register import RegisterServers
from saga_coordinator.sagas.catalog.server_provisioning import server_provisioning
from saga_coordinator.sagas.machine import Ignored, Status
from saga_coordinator.sagas.testing.scenario import given

MINUTE = timedelta(minutes=1)


def wanted(count: int) -> ProvisionServers:
    servers = tuple(Server(name=f"web-{n}", cores=2, memory_gb=8, disk_gb=50) for n in range(1, count + 1))
    return ProvisionServers(request_id="r-1", owner="shop", servers=servers)


TWO = given(server_provisioning, wanted(2))
RESERVED = TWO.replies("reserve-capacity", CapacityReserved(pool="p-1"))
RUNNING = RESERVED.replies("create-machine[web-1]", MachineCreated(address="10.0.0.1")).replies(
    "create-machine[web-2]", MachineCreated(address="10.0.0.2")
)
READY = (
    RUNNING.replies("attach-volume[web-1]", Done())
    .replies("attach-volume[web-2]", Done())
    .replies("publish-names", Done())
)
RENTING = TWO.fails("reserve-capacity", code="no-room").replies("create-network", NetworkCreated(network_id="n-1"))
ADDRESSES = {"web-1": "10.0.0.1", "web-2": "10.0.0.2"}


def test_servers_come_from_our_own_cloud_when_it_has_room() -> None:
    (
        TWO.expects("reserve-capacity")
        .replies("reserve-capacity", CapacityReserved(pool="p-1"))
        .expects(
            CreateMachine(pool="p-1", name="web-1", cores=2, memory_gb=8),
            CreateMachine(pool="p-1", name="web-2", cores=2, memory_gb=8),
        )
        .replies("create-machine[web-2]", MachineCreated(address="10.0.0.2"))
        .expects()
        .replies("create-machine[web-1]", MachineCreated(address="10.0.0.1"))
        .expects("attach-volume[web-1]", "attach-volume[web-2]", PublishNames(addresses=ADDRESSES))
        .replies("publish-names", Done())
        .replies("attach-volume[web-1]", Done())
        .replies("attach-volume[web-2]", Done())
        .expects("probe-servers")
        .replies("probe-servers", Done())
        .expects(RegisterServers(request_id="r-1", owner="shop", cloud="private", addresses=ADDRESSES))
        .replies("register-servers", Done())
        .expects("watch-servers")
        .replies("watch-servers", Done())
        .ends(Status.COMPLETED, ServersProvisioned(cloud="private", addresses=ADDRESSES))
    )


def test_without_room_the_other_cloud_is_tried_and_nothing_is_undone() -> None:
    story = TWO.fails("reserve-capacity", code="no-room").expects("create-network")
    story = story.replies("create-network", NetworkCreated(network_id="n-1"))
    story = story.expects("rent-machine[web-1]", "rent-machine[web-2]")
    for name, address in ADDRESSES.items():
        story = story.replies(f"rent-machine[{name}]", MachineRented(address=address))
    for name in ("attach-volume[web-1]", "attach-volume[web-2]", "publish-names", "probe-servers"):
        story = story.replies(name, Done())
    story = story.replies("register-servers", Done()).replies("watch-servers", Done())
    story.ends(Status.COMPLETED, ServersProvisioned(cloud="public", addresses=ADDRESSES))


def test_a_machine_that_our_cloud_refuses_clears_it_before_the_other_is_tried() -> None:
    (
        RESERVED.replies("create-machine[web-1]", MachineCreated(address="10.0.0.1"))
        .fails("create-machine[web-2]", code="no-room")
        .undoes("create-machine[web-1]")
        .undone("create-machine[web-1]")
        .undoes(ReleaseCapacity(request_id="r-1", pool="p-1"))
        .undone("reserve-capacity")
        .expects("create-network")
    )


def test_at_most_five_machines_are_made_at_once() -> None:
    story = given(server_provisioning, wanted(7)).replies("reserve-capacity", CapacityReserved(pool="p-1"))
    story = story.expects(*(f"create-machine[web-{n}]" for n in range(1, 6)))
    story = story.replies("create-machine[web-3]", MachineCreated(address="10.0.0.3"))
    story = story.expects("create-machine[web-6]")
    story.replies("create-machine[web-1]", MachineCreated(address="10.0.0.1")).expects("create-machine[web-7]")


def test_when_neither_cloud_has_room_the_parent_gets_a_terminal_failure() -> None:
    (
        RENTING.fails("rent-machine[web-1]", code="quota")
        .expects()
        .replies("rent-machine[web-2]", MachineRented(address="10.0.0.2"))
        .undoes("rent-machine[web-2]")
        .undone("rent-machine[web-2]")
        .undoes(DeleteNetwork(request_id="r-1", network_id="n-1"))
        .undone("create-network")
        .ends(Status.COMPENSATED, Failure(code="quota", message="", retryable=False))
    )


def test_servers_that_do_not_become_healthy_in_a_quarter_of_an_hour_are_taken_away_again() -> None:
    story = READY
    while story.status is Status.RUNNING:
        story = story.fails("probe-servers", code="not-yet", retryable=True).passes(MINUTE)
    assert 14 * MINUTE <= story.at - READY.at <= 17 * MINUTE
    story = story.undone("attach-volume[web-1]").undone("attach-volume[web-2]").undone("publish-names")
    story = story.undone("create-machine[web-1]").undone("create-machine[web-2]").undone("reserve-capacity")
    story.ends(Status.COMPENSATED)


def test_a_parent_that_compensates_cancels_it_until_the_servers_are_registered() -> None:
    story = READY.cancels("the employee does not come").replies("probe-servers", Done())
    story.undoes("attach-volume[web-1]", "attach-volume[web-2]", "publish-names")
    READY.replies("probe-servers", Done()).cancels().ignores(Ignored.PAST_THE_PIVOT)
