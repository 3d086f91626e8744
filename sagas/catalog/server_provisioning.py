"""Server provisioning: machines in our own cloud or, if that has no room, in a rented one; volumes, names, health."""

from collections.abc import Mapping
from datetime import timedelta

from pydantic import BaseModel, ConfigDict

from saga_coordinator import Retry, Saga, alternatives, for_each, parallel, pivot, series, step
from saga_coordinator.contracts.messages.dns import PublishNames, RemoveNames
from saga_coordinator.contracts.messages.monitoring import ProbeServers, WatchServers
from saga_coordinator.contracts.messages.private_cloud import (
    CapacityReserved,
    CreateMachine,
    DeleteMachine,
    MachineCreated,
    ReleaseCapacity,
    ReserveCapacity,
)
from saga_coordinator.contracts.messages.provisioning import ProvisionServers, Server, ServersProvisioned
from saga_coordinator.contracts.messages.public_cloud import (
    CreateNetwork,
    DeleteNetwork,
    EndRent,
    MachineRented,
    NetworkCreated,
    RentMachine,
)
from saga_coordinator.contracts.messages.server_register import RegisterServers
from saga_coordinator.contracts.messages.storage import AttachVolume, DeleteVolume

AT_ONCE = 5
MACHINE_WITHIN = timedelta(minutes=10)
UNTIL_HEALTHY = Retry(attempts=None, first=timedelta(seconds=10), cap=timedelta(minutes=1), total=timedelta(minutes=15))


class ProvisioningData(BaseModel):
    """What a provisioning remembers; `addresses` are those of the servers that run, by their names."""

    model_config = ConfigDict(frozen=True)

    request_id: str
    owner: str
    servers: tuple[Server, ...]
    pool: str | None = None
    network_id: str | None = None
    addresses: Mapping[str, str] = {}

    @property
    def cloud(self) -> str:
        """Where the servers run: the network is made only when our own cloud had no room."""
        return "private" if self.network_id is None else "public"


def request_id(command: ProvisionServers) -> str:
    return command.request_id


def begin(command: ProvisionServers) -> ProvisioningData:
    return ProvisioningData(request_id=command.request_id, owner=command.owner, servers=command.servers)


def servers(data: ProvisioningData) -> tuple[Server, ...]:
    return data.servers


def server_name(server: Server) -> str:
    return server.name


# --- in our own cloud


def reserve_capacity(data: ProvisioningData) -> ReserveCapacity:
    cores, memory = sum(each.cores for each in data.servers), sum(each.memory_gb for each in data.servers)
    return ReserveCapacity(request_id=data.request_id, cores=cores, memory_gb=memory)


def capacity_reserved(data: ProvisioningData, reply: CapacityReserved) -> ProvisioningData:
    return data.model_copy(update={"pool": reply.pool})


def release_capacity(data: ProvisioningData) -> ReleaseCapacity:
    return ReleaseCapacity(request_id=data.request_id, pool=data.pool)


def create_machine(data: ProvisioningData, server: Server) -> CreateMachine:
    return CreateMachine(pool=data.pool or "", name=server.name, cores=server.cores, memory_gb=server.memory_gb)


def delete_machine(data: ProvisioningData, server: Server) -> DeleteMachine:
    return DeleteMachine(pool=data.pool or "", name=server.name)


def machine_runs(data: ProvisioningData, server: Server, reply: MachineCreated) -> ProvisioningData:
    return data.model_copy(update={"addresses": {**data.addresses, server.name: reply.address}})


# --- in a rented cloud


def create_network(data: ProvisioningData) -> CreateNetwork:
    return CreateNetwork(request_id=data.request_id)


def network_created(data: ProvisioningData, reply: NetworkCreated) -> ProvisioningData:
    return data.model_copy(update={"network_id": reply.network_id})


def delete_network(data: ProvisioningData) -> DeleteNetwork:
    return DeleteNetwork(request_id=data.request_id, network_id=data.network_id)


def rent_machine(data: ProvisioningData, server: Server) -> RentMachine:
    return RentMachine(
        network_id=data.network_id or "", name=server.name, cores=server.cores, memory_gb=server.memory_gb
    )


def end_rent(data: ProvisioningData, server: Server) -> EndRent:
    return EndRent(network_id=data.network_id or "", name=server.name)


def rented_machine_runs(data: ProvisioningData, server: Server, reply: MachineRented) -> ProvisioningData:
    return data.model_copy(update={"addresses": {**data.addresses, server.name: reply.address}})


# --- in either


def attach_volume(data: ProvisioningData, server: Server) -> AttachVolume:
    return AttachVolume(server=server.name, address=data.addresses[server.name], size_gb=server.disk_gb)


def delete_volume(_: ProvisioningData, server: Server) -> DeleteVolume:
    return DeleteVolume(server=server.name)


def publish_names(data: ProvisioningData) -> PublishNames:
    return PublishNames(addresses=data.addresses)


def remove_names(data: ProvisioningData) -> RemoveNames:
    return RemoveNames(names=tuple(each.name for each in data.servers))


def probe_servers(data: ProvisioningData) -> ProbeServers:
    return ProbeServers(addresses=data.addresses)


def register_servers(data: ProvisioningData) -> RegisterServers:
    return RegisterServers(request_id=data.request_id, owner=data.owner, cloud=data.cloud, addresses=data.addresses)


def watch_servers(data: ProvisioningData) -> WatchServers:
    return WatchServers(owner=data.owner, addresses=data.addresses)


def servers_provisioned(data: ProvisioningData) -> ServersProvisioned:
    return ServersProvisioned(cloud=data.cloud, addresses=data.addresses)


server_provisioning = Saga(
    name="server-provisioning",
    version=1,
    starts_on=ProvisionServers,
    correlate=request_id,
    begin=begin,
    deadline=timedelta(hours=3),
    steps=(
        alternatives(
            series(
                step("reserve-capacity", reserve_capacity, remember=capacity_reserved, compensate=release_capacity),
                for_each(
                    "create-machine",
                    servers,
                    create_machine,
                    key=server_name,
                    remember=machine_runs,
                    compensate=delete_machine,
                    limit=AT_ONCE,
                    timeout=MACHINE_WITHIN,
                    retry=Retry(attempts=2),
                ),
            ),
            series(
                step("create-network", create_network, remember=network_created, compensate=delete_network),
                for_each(
                    "rent-machine",
                    servers,
                    rent_machine,
                    key=server_name,
                    remember=rented_machine_runs,
                    compensate=end_rent,
                    limit=AT_ONCE,
                    timeout=MACHINE_WITHIN,
                    retry=Retry(attempts=5),
                ),
            ),
            name="cloud",
        ),
        parallel(
            for_each(
                "attach-volume",
                servers,
                attach_volume,
                key=server_name,
                compensate=delete_volume,
                limit=AT_ONCE,
                retry=Retry(attempts=3),
            ),
            step("publish-names", publish_names, compensate=remove_names),
        ),
        step("probe-servers", probe_servers, timeout=timedelta(minutes=2), retry=UNTIL_HEALTHY),
        pivot("register-servers", register_servers),
        step("watch-servers", watch_servers),
    ),
    on_completed=servers_provisioned,
)
