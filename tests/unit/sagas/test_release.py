"""A release: host by host, watched before it counts, and rolled back by whatever goes wrong until it does."""

from datetime import timedelta

import pytest

from saga_coordinator.contracts import Done
from saga_coordinator.contracts.messages.building import ImageBuilt
from saga_coordinator.contracts.messages.deployment import DeployHost, PromoteRelease, RestoreHost
from saga_coordinator.contracts.messages.monitoring import ReleaseFoundHealthy
from saga_coordinator.contracts.messages.releases import ReleaseLive, ReleaseRequested, ReleaseRolledBack
from saga_coordinator.sagas import CANCELLED, TIMED_OUT
from saga_coordinator.sagas.catalog.release import release
from saga_coordinator.sagas.machine import Ignored, Status
from saga_coordinator.sagas.testing.scenario import given

MINUTE = timedelta(minutes=1)
IMAGE = "shop@sha256:1"
HEALTHY = ReleaseFoundHealthy(release_id="7", error_rate=0.001)

BEGUN = given(release, ReleaseRequested(release_id="7", service="shop", commit="c0ffee", hosts=("a", "b", "c")))
BUILT = BEGUN.replies("build-image", ImageBuilt(image=IMAGE))
TESTED = BUILT.replies("test-image", Done()).replies("scan-image", Done())
DEPLOYED = TESTED.replies("deploy-host[a]", Done()).replies("deploy-host[b]", Done()).replies("deploy-host[c]", Done())
WATCHED = DEPLOYED.passes(10 * MINUTE)
FOUND_HEALTHY = WATCHED.happens(HEALTHY)
ALL_HOSTS = ("a", "b", "c")


def test_a_release_is_built_tested_deployed_watched_and_promoted() -> None:
    (
        BEGUN.expects("build-image")
        .replies("build-image", ImageBuilt(image=IMAGE))
        .expects("test-image", "scan-image")
        .replies("scan-image", Done())
        .expects()
        .replies("test-image", Done())
        .expects(*(DeployHost(release_id="7", host=host, image=IMAGE) for host in "ab"))
        .replies("deploy-host[a]", Done())
        .expects("deploy-host[c]")
        .replies("deploy-host[c]", Done())
        .replies("deploy-host[b]", Done())
        .expects()
        .passes(10 * MINUTE)
        .happens(HEALTHY)
        .expects(PromoteRelease(release_id="7", service="shop", image=IMAGE))
        .replies("promote-release", Done())
        .expects("announce-release")
        .replies("announce-release", Done())
        .ends(Status.COMPLETED, ReleaseLive(release_id="7", image=IMAGE))
    )


def test_an_image_that_fails_its_tests_is_deployed_nowhere_and_nothing_is_undone() -> None:
    (
        BUILT.fails("test-image", code="red", message="3 of 900")
        .expects()
        .replies("scan-image", Done())
        .expects()
        .ends(Status.COMPENSATED, ReleaseRolledBack(release_id="7", step="test-image", code="red", message="3 of 900"))
    )


def test_a_host_that_does_not_come_back_rolls_back_those_that_were_touched_and_no_other() -> None:
    (
        TESTED.fails("deploy-host[a]", code="unhealthy")
        .replies("deploy-host[b]", Done())
        .undoes(RestoreHost(release_id="7", host="b"))
        .undone("deploy-host[b]")
        .ends(
            Status.COMPENSATED, ReleaseRolledBack(release_id="7", step="deploy-host[a]", code="unhealthy", message="")
        )
    )


def test_a_host_that_says_nothing_is_asked_once_more_and_then_restored_too() -> None:
    story = TESTED.replies("deploy-host[b]", Done()).passes(15 * MINUTE).replies("deploy-host[c]", Done())
    story.passes(15 * MINUTE).undoes("deploy-host[a]", "deploy-host[b]")


@pytest.mark.parametrize("moment", ["while it warms up", "while its health is awaited"])
def test_an_alert_rolls_back_two_hosts_at_once_until_all_are_restored(moment: str) -> None:
    story = DEPLOYED.passes(3 * MINUTE) if moment == "while it warms up" else WATCHED
    (
        story.cancels("alert: error rate 5 %")
        .undoes("deploy-host[a]", "deploy-host[b]")
        .undone("deploy-host[b]")
        .undoes("deploy-host[c]")
        .undone("deploy-host[a]")
        .undone("deploy-host[c]")
        .ends(
            Status.COMPENSATED,
            ReleaseRolledBack(release_id="7", step=None, code=CANCELLED, message="alert: error rate 5 %"),
        )
    )


def test_an_alert_after_the_promotion_was_sent_is_for_the_next_release() -> None:
    FOUND_HEALTHY.cancels("alert").ignores(Ignored.PAST_THE_PIVOT)


def test_no_word_on_its_health_is_taken_for_a_bad_one() -> None:
    story = WATCHED.passes(30 * MINUTE).undoes("deploy-host[a]", "deploy-host[b]")
    for host in ALL_HOSTS:
        story = story.undone(f"deploy-host[{host}]")
    assert isinstance(story.outcome, ReleaseRolledBack)
    assert (story.outcome.step, story.outcome.code) == ("found-healthy", TIMED_OUT)


def test_health_that_is_found_before_it_is_asked_for_is_kept_and_not_measured_too_early() -> None:
    DEPLOYED.happens(HEALTHY).ignores(Ignored.EARLY).expects()
    assert FOUND_HEALTHY.data.error_rate == 0.001


def test_a_host_that_cannot_be_restored_calls_an_operator_who_takes_it_out_by_hand() -> None:
    story = DEPLOYED.cancels("alert").undone("deploy-host[a]").undo_fails("deploy-host[b]", code="gone")
    story = story.ends(Status.STALLED).skips("deploy-host[b]", reason="taken out of the cluster")
    story.undone("deploy-host[c]").ends(Status.COMPENSATED)
