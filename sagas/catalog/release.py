"""Release: build and test an image, deploy it host by host, watch it, and roll it back when it fails."""

from datetime import timedelta

from pydantic import BaseModel, ConfigDict, FiniteFloat

from saga_coordinator import Cause, Retry, Saga, delay, for_each, parallel, pivot, receive, step
from saga_coordinator.contracts.messages.building import BuildImage, ImageBuilt, ScanImage, TestImage
from saga_coordinator.contracts.messages.deployment import AnnounceRelease, DeployHost, PromoteRelease, RestoreHost
from saga_coordinator.contracts.messages.monitoring import ReleaseAlarmRaised, ReleaseFoundHealthy
from saga_coordinator.contracts.messages.releases import ReleaseLive, ReleaseRequested, ReleaseRolledBack

AT_ONCE = 2
FLAKY = Retry(attempts=2, first=timedelta(seconds=30))


class ReleaseData(BaseModel):
    """What a release remembers; `error_rate` is what was measured while it was watched."""

    model_config = ConfigDict(frozen=True)

    release_id: str
    service: str
    commit: str
    hosts: tuple[str, ...]
    image: str = ""
    error_rate: FiniteFloat | None = None


def release_id(event: ReleaseRequested | ReleaseAlarmRaised) -> str:
    return event.release_id


def begin(event: ReleaseRequested) -> ReleaseData:
    return ReleaseData(release_id=event.release_id, service=event.service, commit=event.commit, hosts=event.hosts)


def build_image(data: ReleaseData) -> BuildImage:
    return BuildImage(service=data.service, commit=data.commit)


def image_built(data: ReleaseData, reply: ImageBuilt) -> ReleaseData:
    return data.model_copy(update={"image": reply.image})


def test_image(data: ReleaseData) -> TestImage:
    return TestImage(image=data.image)


def scan_image(data: ReleaseData) -> ScanImage:
    return ScanImage(image=data.image)


def hosts(data: ReleaseData) -> tuple[str, ...]:
    return data.hosts


def host_name(host: str) -> str:
    return host


def deploy_host(data: ReleaseData, host: str) -> DeployHost:
    return DeployHost(release_id=data.release_id, host=host, image=data.image)


def restore_host(data: ReleaseData, host: str) -> RestoreHost:
    return RestoreHost(release_id=data.release_id, host=host)


def healthy_release(event: ReleaseFoundHealthy) -> str:
    return event.release_id


def found_healthy(data: ReleaseData, event: ReleaseFoundHealthy) -> ReleaseData:
    return data.model_copy(update={"error_rate": event.error_rate})


def promote_release(data: ReleaseData) -> PromoteRelease:
    return PromoteRelease(release_id=data.release_id, service=data.service, image=data.image)


def announce_release(data: ReleaseData) -> AnnounceRelease:
    return AnnounceRelease(release_id=data.release_id, service=data.service, commit=data.commit)


def release_live(data: ReleaseData) -> ReleaseLive:
    return ReleaseLive(release_id=data.release_id, image=data.image)


def release_rolled_back(data: ReleaseData, cause: Cause) -> ReleaseRolledBack:
    return ReleaseRolledBack(release_id=data.release_id, step=cause.step, code=cause.code, message=cause.message)


release = Saga(
    name="release",
    version=1,
    starts_on=ReleaseRequested,
    correlate=release_id,
    begin=begin,
    deadline=timedelta(hours=12),
    steps=(
        step("build-image", build_image, remember=image_built, timeout=timedelta(minutes=30), retry=FLAKY),
        parallel(
            step("test-image", test_image, timeout=timedelta(hours=1)),
            step("scan-image", scan_image, timeout=timedelta(minutes=10), retry=FLAKY),
        ),
        for_each(
            "deploy-host",
            hosts,
            deploy_host,
            key=host_name,
            compensate=restore_host,
            limit=AT_ONCE,
            timeout=timedelta(minutes=15),
            retry=FLAKY,
        ),
        delay("warm-up", timedelta(minutes=10)),
        receive(
            "found-healthy",
            ReleaseFoundHealthy,
            key=healthy_release,
            remember=found_healthy,
            timeout=timedelta(minutes=30),
        ),
        pivot("promote-release", promote_release),
        step("announce-release", announce_release),
    ),
    on_completed=release_live,
    on_compensated=release_rolled_back,
    cancel_on=ReleaseAlarmRaised,
)
