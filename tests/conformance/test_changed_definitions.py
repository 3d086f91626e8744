"""A definition that was changed in place does not continue the instances that started by it as it was (I30)."""

from pathlib import Path

import pytest
from structlog.testing import capture_logs

from saga_coordinator.handlers.routing import AnySaga, BadCatalog
from saga_coordinator.service.app.bootstrap import build_service
from saga_coordinator.service.app.definitions import acceptance
from saga_coordinator.service.app.doctor import _database
from saga_coordinator.service.catalog import build_routes
from saga_coordinator.service.settings import Settings
from tests.support.saga_kit import Begun, Did, compensatable, saga
from tests.unit.handlers._support.coordinator import Watcher, open_coordinator, sampled
from tests.unit.handlers._support.order_log import Log

FIRST = saga(compensatable("a"))
CHANGED = saga(compensatable("a"), compensatable("charge"))
OTHERWISE = saga(compensatable("a"), compensatable("refund"))


async def started(settings: Settings, definition: AnySaga) -> None:
    """Start the service, and stop it."""
    async with build_service(settings, [definition], Watcher(), sampled):
        pass


async def with_live_instance(folder: Path) -> Settings:
    """Start the service, which keeps the outline, and then an instance."""
    settings = Settings(store=f"sqlite:///{folder}/saga.db")
    await started(settings, FIRST)
    async with open_coordinator(folder / "saga.db", FIRST) as it:
        await it.take(Log().event(Begun(key="k-1"), "k-1"))
    return settings


async def test_with_live_instances_it_is_refused_with_the_difference_and_both_remedies_i30(tmp_path: Path) -> None:
    settings = await with_live_instance(tmp_path)

    with pytest.raises(BadCatalog) as refused:
        await started(settings, CHANGED)
    assert str(refused.value) == (
        "saga made version 1 was changed, and 1 live instance started by it as it was "
        "(step charge added (in the main sequence)): restore it, and declare the change as version 2 beside it; "
        f"or, if they may continue by the changed one, set SAGA_ACCEPT_DEFINITION={acceptance(CHANGED)}"
    )
    await started(settings, FIRST)


async def test_an_accepted_change_is_kept_and_a_later_one_is_refused_again(tmp_path: Path) -> None:
    settings = await with_live_instance(tmp_path)
    accepting = settings.model_copy(update={"accept_definition": f"other:1:abc,{acceptance(CHANGED)}"})

    with capture_logs() as logged:
        await started(accepting, CHANGED)
    (line,) = [each for each in logged if each["event"] == "a definition was changed in place"]
    assert (line["saga"], line["live"], line["changes"]) == ("made", 1, ["step charge added (in the main sequence)"])
    await started(settings, CHANGED)
    with pytest.raises(BadCatalog, match="step refund added"):
        await started(accepting, OTHERWISE)


async def test_without_live_instances_it_is_replaced(tmp_path: Path) -> None:
    settings = await with_live_instance(tmp_path)
    async with open_coordinator(tmp_path / "saga.db", FIRST) as it:
        (command,) = [each.message for each in await it.store.unsent()]
        await it.take(Log().says(command, Did()))
        assert it.status("k-1") == "completed"

    await started(settings, CHANGED)
    async with build_service(settings, [CHANGED], Watcher(), sampled) as service:
        (outline,) = (await service.store.outlines()).values()
    assert "charge" in outline


async def test_doctor_names_the_change_before_the_start(tmp_path: Path) -> None:
    settings = await with_live_instance(tmp_path)
    findings = {}
    for definition in (FIRST, CHANGED):
        found = _database(settings, build_routes([definition], settings))
        (findings[definition],) = [each for each in found if each.check == "live definitions"]

    assert findings[FIRST].remedy is None
    assert "step charge added" in findings[CHANGED].detail
    assert findings[CHANGED].remedy == "give the change a version of its own, or accept it"
