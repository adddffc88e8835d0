"""What all layers of `create_app` do together: logs, metrics, streams, and what they are made of."""

import asyncio
import inspect
import io
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
import structlog
from fastapi import APIRouter, BackgroundTasks, Depends, HTTPException, Request
from fastapi.responses import StreamingResponse
from fastapi.routing import APIRoute, RouteContext, iter_route_contexts
from sqlalchemy.orm import Mapped, mapped_column
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.types import Message, Scope
from structlog.testing import capture_logs

from fastapi_kit.app import create_app
from fastapi_kit.crud import CRUDRouter
from fastapi_kit.db import Base, Database
from fastapi_kit.health import Check, HealthOptions
from fastapi_kit.logs import configure
from fastapi_kit.metrics import Metrics
from fastapi_kit.settings import Settings
from fastapi_kit.testing import client

pytestmark = pytest.mark.anyio


class Item(Base):
    """A row."""

    __tablename__ = "stack_item"
    id: Mapped[int] = mapped_column(primary_key=True)


ORIGIN = "https://front.example"


@pytest.fixture
def settings(monkeypatch: pytest.MonkeyPatch) -> Settings:
    """What a browser application's API is set to."""
    for name in ("ENVIRONMENT", "TRUSTED_HOSTS", "CORS_ORIGINS"):
        monkeypatch.delenv(name, raising=False)
    return Settings(cors_origins=(ORIGIN,), trusted_hosts=("test",))


async def test_what_is_bound_is_seen_everywhere(settings: Settings) -> None:
    """What a dependency binds is on every line of the request: in threads, background tasks and the access event."""
    router = APIRouter()
    log = structlog.get_logger()

    async def bind() -> None:
        structlog.contextvars.bind_contextvars(principal="ada")

    @router.get("/thread", dependencies=[Depends(bind)])
    def in_a_thread(tasks: BackgroundTasks) -> None:
        log.info("thread")
        tasks.add_task(in_background)
        tasks.add_task(in_background_thread)

    async def in_background() -> None:
        log.info("background")

    def in_background_thread() -> None:
        log.info("background thread")

    output = io.StringIO()
    app = create_app(settings, routers=[router])
    configure("INFO", "json", stream=output)
    async with client(app) as api:
        await api.get("/thread", headers={"x-request-id": "bound-1"})
    lines = [json.loads(line) for line in output.getvalue().splitlines()]
    told = [(line["event"], line["principal"]) for line in lines if line.get("request_id") == "bound-1"]
    assert told == [(event, "ada") for event in ("thread", "background", "background thread", "request")]


async def test_what_is_not_ready_is_no_error(settings: Settings) -> None:
    """A probe that says 503, as while the service drains, is a warning: the service does what it should."""

    async def broken() -> None:
        raise ConnectionError

    async with client(create_app(settings, checks=[Check("queue", broken)])) as api:
        with capture_logs() as logs:
            assert (await api.get("/ready")).status_code == 503
    (event,) = [line for line in logs if line["event"] == "request"]
    assert event["log_level"] == "warning"


async def test_health_routes_take_options(settings: Settings) -> None:
    """The details are there for those who are let in, and the form is the one that was asked for."""

    def operator(request: Request) -> None:
        if request.headers.get("x-operator") != "ada":
            raise HTTPException(403)

    health = HealthOptions(render="health+json", details=[Depends(operator)])
    async with client(create_app(settings, health=health)) as api:
        refused = await api.get("/health/details")
        shown = await api.get("/health/details", headers={"x-operator": "ada"})
        ready = await api.get("/ready")
    assert (refused.status_code, shown.status_code) == (403, 200)
    assert ready.headers["content-type"] == "application/health+json"


async def test_probes_of_all_paths_are_quiet(settings: Settings) -> None:
    """Also where the metrics have another path, and in groups of checks."""

    async def fine() -> None: ...

    checks = [Check("cache", fine, groups=frozenset({"startup"}))]
    settings = settings.model_copy(update={"log_level": "debug"})
    app = create_app(settings, checks=checks, metrics=Metrics(path="/internal/metrics"))
    async with client(app) as api:
        with capture_logs() as logs:
            for path in ("/health", "/health/startup", "/ready", "/internal/metrics"):
                assert (await api.get(path)).status_code == 200
    assert [line["log_level"] for line in logs if line["event"] == "request"] == ["debug"] * 4


async def test_what_is_slow_is_said_with_the_request(database: Database, settings: Settings) -> None:
    """The request and the statement that took as long as the settings say are warnings, with one id."""
    output = io.StringIO()
    async with database.engine.begin() as connection:
        await connection.run_sync(Item.metadata.tables[Item.__tablename__].create)
    limits = {"slow_request_seconds": 1e-9, "slow_query_seconds": 1e-9}
    items = CRUDRouter(Item, prefix="/items")
    app = create_app(settings.model_copy(update=limits), database=database, routers=[items])
    configure("INFO", "json", stream=output)
    async with client(app) as api:
        answer = await api.get("/items/7", headers={"x-request-id": "slow-1"})
    assert answer.status_code == 404
    lines = [json.loads(line) for line in output.getvalue().splitlines()]
    (event,) = [line for line in lines if line["event"] == "request"]
    (statement,) = [line for line in lines if line["logger"] == "fastapi_kit.db"]
    assert (event["slow"], event["level"], event["request_id"]) == (True, "warning", "slow-1")
    assert (statement["level"], statement["request_id"]) == ("warning", "slow-1")
    assert "FROM" in statement["event"]


async def test_stream_passes_chunk_by_chunk(settings: Settings) -> None:
    """A hundred chunks are a hundred messages, each sent before the next is made: no layer keeps any back."""
    router = APIRouter()
    made = 0

    @router.get("/stream")
    async def stream() -> StreamingResponse:
        async def chunks() -> AsyncIterator[bytes]:
            nonlocal made
            for made in range(1, 101):  # noqa: B007 - it is what the test looks at
                yield b"chunk\n"

        return StreamingResponse(chunks(), media_type="text/event-stream")

    app = create_app(settings, routers=[router], metrics=Metrics())
    made_when_sent: list[int] = []

    async def send(message: Message) -> None:
        if message.get("body"):
            made_when_sent.append(made)

    unread: list[Message] = [{"type": "http.request", "body": b"", "more_body": False}]

    async def receive() -> Message:
        if not unread:
            await asyncio.Event().wait()  # the client stays
        return unread.pop()

    headers = [(b"host", b"test"), (b"accept-encoding", b"gzip"), (b"origin", ORIGIN.encode())]
    scope: Scope = {"type": "http", "method": "GET", "path": "/stream", "query_string": b"", "headers": headers}
    async with client(app):
        await app({**scope, "root_path": "", "state": {}}, receive, send)
    assert made_when_sent == list(range(1, 101))


async def test_nothing_on_the_way_is_slow_by_design(database: Database, settings: Settings) -> None:
    """No layer is a `BaseHTTPMiddleware`, and no dependency or endpoint but that of the metrics takes a thread."""
    app = create_app(settings, database=database, routers=[CRUDRouter(Item, prefix="/items")], metrics=Metrics())
    layers: list[object] = []
    layer: object = app.build_middleware_stack()
    while layer is not None:
        layers.append(layer)
        layer = getattr(layer, "app", None)
    assert {type(layer).__name__ for layer in layers} >= {"RequestContextMiddleware", "GZipMiddleware"}
    assert not [layer for layer in layers if isinstance(layer, BaseHTTPMiddleware)]
    threads = [call.__name__ for context in iter_route_contexts(app.routes) for call in sync_calls(context)]
    assert threads == ["expose"], "the exposition of metrics is made in a thread, and nothing else is"


def sync_calls(context: RouteContext) -> list[Any]:
    """The endpoint and the dependencies of a route that FastAPI would run in a thread."""
    if not isinstance(context.original_route, APIRoute):
        return []
    found: list[Any] = []
    unseen = [context.dependant]
    while unseen:
        dependant = unseen.pop()
        unseen += dependant.dependencies
        if dependant.call is not None and not any(map(is_async, (dependant.call, type(dependant.call).__call__))):
            found.append(dependant.call)
    return found


def is_async(call: object) -> bool:
    """Whether it runs in the event loop."""
    return inspect.iscoroutinefunction(call) or inspect.isasyncgenfunction(call)
