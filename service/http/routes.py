"""The routes that change something: operator actions on instances, dead letters and positions.

`POST` with a JSON body that has `who` and `reason`. They answer 200 with the result, even if it was refused; a problem
when the request makes no sense, there is no such instance, or the store does not answer. `access.py` says who may ask.
"""

from collections.abc import Awaitable, Callable, Sequence
from http import HTTPStatus
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, FastAPI, Header, Path, Request
from fastapi.responses import JSONResponse, Response
from pydantic import ValidationError
from starlette.types import ASGIApp, Receive, Scope, Send

from saga_coordinator.handlers.decode import describe_error, describe_validation_error
from saga_coordinator.handlers.interventions import Interventions
from saga_coordinator.handlers.ports import Conflict
from saga_coordinator.handlers.records import Actor, Place, SetPosition
from saga_coordinator.handlers.redrive import DeadLetterRef, Redrive, Result
from saga_coordinator.handlers.routing import BadCatalog
from saga_coordinator.sagas.machine import Cancel, Decision, OperatorAction, Pause, Resolve, Resume, RetryStep
from saga_coordinator.service.drain import Drain
from saga_coordinator.service.errors import NotReady, StoreError
from saga_coordinator.service.http import schemas
from saga_coordinator.service.http.access import LocalAccess
from saga_coordinator.service.http.idempotency import IdempotencyCache
from saga_coordinator.service.http.problems import add_problem_handlers, problem
from saga_coordinator.service.views.results import result_of
from saga_coordinator.service.views.values import to_json

Key = Annotated[str | None, Header(alias="Idempotency-Key", min_length=1, max_length=200)]
Number = Annotated[int, Path(ge=0, lt=2**63)]


def _place(topic: str, partition: Number, offset: Number) -> Place:
    return Place(topic, partition, offset)


At = Annotated[Place, Depends(_place)]
ACTIONS: Final[dict[str, tuple[type[schemas.ActionRequest], Callable[..., OperatorAction | Cancel]]]] = {
    "retry": (schemas.Retry, RetryStep),
    "cancel": (schemas.ActionRequest, Cancel),
    "pause": (schemas.ActionRequest, Pause),
    "resume": (schemas.ActionRequest, Resume),
    "resolve": (schemas.Resolve, Resolve),
}
"""The body of each request, and the signal that it becomes: both have the same fields."""

Work = Callable[[], Awaitable[Decision[Any] | Result | Sequence[SetPosition] | None]]
SetPositions = Callable[[str, int | None, str, Actor], Awaitable[Sequence[SetPosition]]]
"""Sets from where a topic is read, or one of its partitions. Raises `ValueError`, `NotReady`."""


def build_actions(
    operator: Interventions, redrive: Redrive, set_positions: SetPositions, bind: str, drain: Drain
) -> FastAPI:
    """Return the routes that change something, for an API that is bound to `bind`. They are refused once it drains."""
    actions, answers = FastAPI(docs_url=None, redoc_url=None, openapi_url=None), _Answers(drain)
    add_problem_handlers(actions)
    actions.include_router(_instances(operator, answers))
    actions.include_router(_dead_letters(redrive, answers))
    actions.include_router(_positions(set_positions, answers))
    actions.add_middleware(LocalAccess, bind=bind)
    return actions


class Actions:
    """The routes that change something, on an API that is served before the coordinator is set up."""

    def __init__(self) -> None:
        self._app: ASGIApp = problem(
            HTTPStatus.SERVICE_UNAVAILABLE, "the coordinator is still being set up: see /readyz"
        )

    def open(self, app: ASGIApp) -> None:
        """Serve these routes from now on."""
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request; the routes name their whole path, wherever they are mounted."""
        await self._app({**scope, "root_path": ""}, receive, send)


class _Answers:
    """Executes each request once, and answers with its result or a problem."""

    def __init__(self, drain: Drain) -> None:
        self._once: IdempotencyCache[Response] = IdempotencyCache()
        self._drain = drain

    async def to(self, request: Request, key: str | None, body: schemas.ActionRequest, work: Work) -> Response:
        """Answer a request. One with a known key is answered as before, and not executed again."""
        try:
            return await self._once.answer(key, (request.url.path, body), lambda: self._execute(work))
        except ValidationError as error:
            return problem(
                HTTPStatus.UNPROCESSABLE_ENTITY,
                f"the reply does not answer this step: {describe_validation_error(error)}",
            )
        except Conflict as error:
            return problem(HTTPStatus.CONFLICT, f"nothing was changed: {error}; try again")
        except BadCatalog as error:
            return problem(HTTPStatus.CONFLICT, str(error))
        except ValueError as error:
            return problem(HTTPStatus.UNPROCESSABLE_ENTITY, str(error))
        except (StoreError, OSError) as error:
            return problem(HTTPStatus.SERVICE_UNAVAILABLE, f"the database does not take it: {error}; see /readyz")
        except NotReady as error:
            return problem(HTTPStatus.SERVICE_UNAVAILABLE, f"nothing was changed: {error}")
        except Exception as error:  # noqa: BLE001  a function of the saga may raise anything
            detail = f"the saga raised {describe_error(error)}; nothing was changed"
            return problem(HTTPStatus.CONFLICT, detail)

    async def _execute(self, work: Work) -> Response:
        if self._drain.closed_reason is not None:
            return problem(HTTPStatus.SERVICE_UNAVAILABLE, self._drain.closed_reason)
        with self._drain.admit():
            done = await work()
        if done is None:
            return problem(HTTPStatus.NOT_FOUND, "there is no instance of this id: `saga ls` lists them")
        return JSONResponse(to_json(result_of(done)))


def _instances(operator: Interventions, answers: _Answers) -> APIRouter:
    router = APIRouter(prefix="/api/v1/instances/{id_}")

    def add(verb: str, model: type[schemas.ActionRequest], signal: Callable[..., OperatorAction | Cancel]) -> None:
        @router.post(f"/{verb}")
        async def act(
            request: Request,
            id_: str,
            body: model,  # type: ignore[valid-type]  # FastAPI reads it while running
            key: Key = None,
        ) -> Response:
            return await answers.to(
                request, key, body, lambda: operator.act(id_, lambda now: signal(at=now, **dict(body)))
            )

    for verb, (model, signal) in ACTIONS.items():
        add(verb, model, signal)

    @router.post("/skip")
    async def skip(request: Request, id_: str, body: schemas.Skip, key: Key = None) -> Response:
        return await answers.to(request, key, body, lambda: operator.skip(id_, body.step, body.raw_reply(), body.by()))

    return router


def _positions(set_positions: SetPositions, answers: _Answers) -> APIRouter:
    router = APIRouter(prefix="/api/v1/positions")

    @router.post("/{topic}")
    async def position(request: Request, topic: str, body: schemas.Position, key: Key = None) -> Response:
        return await answers.to(
            request, key, body, lambda: set_positions(topic, body.partition, body.position, body.by())
        )

    return router


def _dead_letters(redrive: Redrive, answers: _Answers) -> APIRouter:
    router = APIRouter(prefix="/api/v1/dead-letters/{topic}/{partition}/{offset}")

    @router.post("/redrive")
    async def redriven(request: Request, at: At, body: schemas.RedriveRequest, key: Key = None) -> Response:
        which = DeadLetterRef(at, body.instance)
        return await answers.to(
            request, key, body, lambda: redrive.redrive(which, body.by(), is_rehearsal=body.dry_run)
        )

    @router.post("/discard")
    async def discard(request: Request, at: At, body: schemas.DeadLetterRequest, key: Key = None) -> Response:
        which = DeadLetterRef(at, body.instance)
        return await answers.to(request, key, body, lambda: redrive.discard(which, body.by()))

    @router.post("/edit")
    async def edit(request: Request, at: At, body: schemas.Edit, key: Key = None) -> Response:
        which = DeadLetterRef(at, body.instance)
        return await answers.to(
            request, key, body, lambda: redrive.edit(which, body.value, body.by(), is_forced=body.force)
        )

    return router
