"""The routes that change something, on the real handlers and a real file: what they do, what they answer."""

import asyncio
from base64 import b64encode
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import httpx
import pytest

from saga_coordinator.handlers.records import Actor, PartitionOfTopic, Record, SetPosition
from saga_coordinator.service.drain import Drain
from saga_coordinator.service.errors import StoreError
from saga_coordinator.service.health import Health
from saga_coordinator.service.http.app import build_api
from saga_coordinator.service.http.routes import Actions, build_actions
from saga_coordinator.service.kafka.publisher import KafkaPublisher
from saga_coordinator.service.settings import KafkaSettings
from tests.unit.handlers._support.brittle import Stores
from tests.unit.handlers._support.coordinator import Coordinator, open_coordinator
from tests.unit.handlers._support.faulty import BAD, NO_FAULT, RAISED, Fault, Two, wide
from tests.unit.handlers._support.order_log import Log, instance_id

OLGA = {"who": "olga", "reason": "the definition is corrected"}
BIND = "127.0.0.1:8080"


class ActionRequest:
    """The API of a coordinator whose bad instance is parked, with one more record in its queue."""

    def __init__(self, it: Coordinator, client: httpx.AsyncClient, fault: Fault, stores: Stores) -> None:
        self.it, self.client, self.fault, self.stores = it, client, fault, stores
        self.door = Drain()
        self.failing: Record
        self.later: Record

    async def park(self) -> "ActionRequest":
        two = await Two(self.it).begin()
        self.failing, self.later = two.says("a"), two.says("b")
        await self.it.take(self.failing, self.later)
        return self

    async def post(self, path: str, body: dict[str, object] | None = None, **headers: str) -> httpx.Response:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return await self.client.post(f"/api/v1/{path}", json=OLGA | (body or {}), headers=named)

    async def letter(self, verb: str, body: dict[str, object] | None = None, **headers: str) -> httpx.Response:
        """Act upon the record that failed."""
        topic, partition, offset = self.failing.place
        return await self.post(f"dead-letters/{topic}/{partition}/{offset}/{verb}", body, **headers)

    async def act(self, verb: str, body: dict[str, object] | None = None, **headers: str) -> httpx.Response:
        return await self.post(f"instances/{BAD}/{verb}", body, **headers)


async def set_positions(topic: str, partition: int | None, position: str, by: Actor) -> Sequence[SetPosition]:
    """Set positions as a coordinator with Kafka would."""
    if position == "never":
        raise ValueError("never is no position")
    chosen = (0, 1) if partition is None else (partition,)
    return [SetPosition(PartitionOfTopic(topic, each, by.who), 7) for each in chosen]


@pytest.fixture
async def asked(tmp_path: Path) -> AsyncIterator[ActionRequest]:
    fault, stores = Fault(), Stores()
    actions = Actions()
    api = build_api(Health(["store"]), lambda: b"", "text/plain", actions)
    async with open_coordinator(tmp_path / "saga.db", wide(fault, NO_FAULT), worn=stores.worn) as it:
        transport = httpx.ASGITransport(api, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url=f"http://{BIND}") as client:
            asked = ActionRequest(it, client, fault, stores)
            actions.open(build_actions(it.operator, it.redrive, set_positions, BIND, asked.door))
            yield await asked.park()


def problem(response: httpx.Response, status: int) -> str:
    """What a problem says, of this status."""
    assert (response.status_code, response.headers["content-type"]) == (status, "application/problem+json")
    return str(response.json()["detail"])


async def test_a_dead_letter_is_redriven_and_every_result_is_returned(asked: ActionRequest) -> None:
    asked.fault.heal()
    response = await asked.letter("redrive")
    assert response.status_code == 200
    assert response.json() == {
        "end": "done",
        "why": None,
        "records": [
            {"place": str(each.place), "verdict": "applied", "reason": None} for each in (asked.failing, asked.later)
        ],
        "sent": ["made.do-z.v1"],
        "parked_behind": None,
    }


async def test_one_that_fails_again_says_why_and_where_its_instance_stands(asked: ActionRequest) -> None:
    result = (await asked.letter("redrive")).json()
    assert (result["end"], result["why"]) == ("failed again", RAISED)
    assert result["parked_behind"] == str(asked.failing.place)


async def test_a_dry_run_writes_nothing(asked: ActionRequest) -> None:
    asked.fault.heal()
    before = asked.it.everything()
    assert (await asked.letter("redrive", {"dry_run": True})).json()["end"] == "done"
    assert asked.it.everything() == before


async def test_a_dead_letter_is_edited_and_discarded(asked: ActionRequest) -> None:
    refused = await asked.letter("edit", {"value": b64encode(b"{").decode()})
    assert refused.json()["end"] == "refused"
    assert "Invalid JSON" in refused.json()["why"]
    assert (await asked.letter("edit", {"value": b64encode(b'{"word": "x"}').decode()})).json()["end"] == "done"
    assert (await asked.letter("edit", {"value": b64encode(b"{").decode(), "force": True})).json()["end"] == "done"
    assert (await asked.letter("discard")).json()["end"] == "done"
    assert (await asked.letter("discard")).json()["end"] == "refused"
    assert asked.it.rows("SELECT action, who FROM dead_letter_audit ORDER BY number") == [
        ("edited", "olga"), ("edited", "olga"), ("discarded", "olga"),
    ]  # fmt: skip


async def test_each_operator_action_has_a_route(asked: ActionRequest) -> None:
    ends = [
        (await asked.act("pause")).json(),
        (await asked.act("pause")).json(),
        (await asked.act("resume")).json(),
        (await asked.act("retry", {"step": "a"})).json(),
        (await asked.act("resolve", {"status": "completed"})).json(),
        (await asked.act("cancel")).json(),
    ]
    assert [each["end"] for each in ends] == ["advanced", "refused", "advanced", "refused", "refused", "advanced"]
    assert ends[0]["paused"] is True
    assert ends[1]["why"] == "the instance is paused"
    assert ends[3]["why"].startswith("the instance is parked, and a reply may be queued")
    assert ends[5]["status"] == "compensating"
    kinds = [kind for (kind,) in asked.it.rows("SELECT kind FROM history WHERE instance = 1 ORDER BY seq")]
    assert kinds == ["start", "park", "pause", "pause", "resume", "retry", "resolve", "cancel"]


async def test_a_step_is_skipped_with_a_reply_that_answers_it(asked: ActionRequest) -> None:
    wrong = problem(await asked.act("skip", {"step": "b", "reply": {"word": 7}}), 422)
    half = await asked.client.post(
        f"/api/v1/instances/{BAD}/skip",
        content=b'{"who": "olga", "reason": "w", "step": "b", "reply": {"word": "\\ud800"}}',
        headers={"content-type": "application/json"},
    )
    assert half.status_code == 422
    assert wrong == "the reply does not answer this step: Did: word: Input should be a valid string"
    assert (await asked.act("skip", {"step": "b", "reply": {"word": "by hand"}})).json()["end"] == "advanced"
    unknown = (await asked.act("skip", {"step": "nothing", "reply": {"word": "by hand"}})).json()
    assert (unknown["end"], "nothing is not a step of this instance" in unknown["why"]) == ("refused", True)
    assert (await asked.it.stored(BAD)).instance.data.seen == ("b:by hand",)


async def test_an_instance_that_is_not_there_is_a_404(asked: ActionRequest) -> None:
    assert "there is no instance" in problem(await asked.post("instances/nobody/pause"), 404)


@pytest.mark.parametrize(
    "body",
    [{"who": ""}, {"reason": "  "}, {"who": "x" * 1_001}, {"more": 1}, {"who": None}, {"who": ["olga"]}],
)
async def test_a_request_without_who_and_why_changes_nothing(asked: ActionRequest, body: dict[str, object]) -> None:
    before = asked.it.everything()
    problem(await asked.act("pause", body), 422)
    problem(await asked.letter("discard", body), 422)
    assert asked.it.everything() == before


@pytest.mark.parametrize("path", ["x/-1/0", "x/0/x", "x/0/9223372036854775808"])
async def test_a_place_that_is_none_is_a_problem(asked: ActionRequest, path: str) -> None:
    problem(await asked.post(f"dead-letters/{path}/redrive"), 422)


async def test_an_exception_of_a_saga_on_an_action_is_a_problem_and_changes_nothing(asked: ActionRequest) -> None:
    before = asked.it.everything()
    result = problem(await asked.act("skip", {"step": "a", "reply": {"word": "by hand"}}), 409)
    assert result == "the saga raised ArithmeticError: on purpose; nothing was changed"
    assert asked.it.everything() == before


async def test_an_action_for_an_unreadable_instance_names_the_remedy(asked: ActionRequest) -> None:
    asked.it.execute("UPDATE instance SET data = '{}'")
    asked.it.instance_cache.clear()
    result = problem(await asked.act("pause"), 409)
    assert result.startswith(f"instance {BAD} of saga made version 1 cannot be read: Data: key: Field required")


@pytest.mark.parametrize("point", ["load_dead_letters", "save", "commit"])
@pytest.mark.parametrize("error", [OSError, StoreError])
async def test_a_store_that_fails_is_a_503_and_the_same_key_may_try_again(
    asked: ActionRequest, point: str, error: type[Exception]
) -> None:
    asked.fault.heal()
    asked.stores.brittle.fails_at, asked.stores.brittle.fails_with = point, error
    assert "on purpose" in problem(await asked.letter("redrive", idempotency_key="k-1"), 503)
    assert (await asked.letter("redrive", idempotency_key="k-1")).json()["end"] == "done"


async def test_the_same_key_is_answered_as_before_and_nothing_is_done_twice(asked: ActionRequest) -> None:
    answers: list[Any] = await asyncio.gather(*(asked.act("pause", idempotency_key="k-1") for _ in range(3)))
    assert {answer.content for answer in answers} == {answers[0].content}
    assert answers[0].json()["end"] == "advanced"
    other = problem(await asked.act("resume", idempotency_key="k-1"), 422)
    assert other == "Idempotency-Key 'k-1' was used for another request: give each a key of its own"
    assert (await asked.act("pause")).json()["end"] == "refused"


async def test_when_the_coordinator_is_about_to_end_nothing_is_changed_any_more(asked: ActionRequest) -> None:
    before = asked.it.everything()
    await asked.door.close()
    assert "shutting down" in problem(await asked.act("cancel"), 503)
    assert "try again" in problem(await asked.letter("discard"), 503)
    assert asked.it.everything() == before


async def test_before_kafka_was_reached_what_would_send_something_is_refused_and_why(tmp_path: Path) -> None:
    actions = Actions()
    api = build_api(Health(["store"]), lambda: b"", "text/plain", actions)
    publisher = KafkaPublisher(KafkaSettings(), ["t"])
    log = Log()
    async with open_coordinator(tmp_path / "saga.db") as it:
        await it.take(log.placed())
    async with open_coordinator(tmp_path / "saga.db", publisher=publisher) as it:
        actions.open(build_actions(it.operator, it.redrive, set_positions, BIND, Drain()))
        before = it.everything()
        async with httpx.AsyncClient(transport=httpx.ASGITransport(api), base_url=f"http://{BIND}") as client:
            path = f"/api/v1/instances/{instance_id('o-1')}/retry"
            answer = await client.post(path, json=OLGA | {"step": "charge-card"})
        assert "Kafka was not reached" in problem(answer, 503)
        assert it.everything() == before


async def test_a_position_is_set_for_a_topic_or_one_of_its_partitions_and_a_wrong_one_is_a_problem(
    asked: ActionRequest,
) -> None:
    done = await asked.post("positions/orders.events.v1", {"position": "end"})
    assert done.json() == {
        "positions": [{"topic": "orders.events.v1", "partition": each, "next_offset": 7} for each in (0, 1)]
    }
    one = await asked.post("positions/orders.events.v1", {"position": "7", "partition": 1})
    assert [each["partition"] for each in one.json()["positions"]] == [1]
    refused = await asked.post("positions/orders.events.v1", {"position": "never"})
    assert problem(refused, 422) == "never is no position"
