"""`client`: a client with the app's lifespan around it."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import pytest
from fastapi import FastAPI, Request
from starlette.types import Receive, Scope, Send

from fastapi_kit.app import create_app
from fastapi_kit.ratelimit import RateLimit, UnmatchedLimitError
from fastapi_kit.settings import Settings
from fastapi_kit.testing import client

pytestmark = pytest.mark.anyio


def make_app(events: list[str]) -> FastAPI:
    """An app that tells when it starts and stops."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncGenerator[Mapping[str, Any]]:
        events.append("start")
        yield {"greeting": "hello"}
        events.append("stop")

    app = FastAPI(lifespan=lifespan)

    @app.get("/")
    async def endpoint(request: Request) -> str:
        request.state.visited = True
        return f"{request.state.greeting} {request.url.hostname}"

    @app.get("/state")
    async def state(request: Request) -> bool:
        return hasattr(request.state, "visited")

    @app.get("/error")
    async def error() -> None:
        raise ZeroDivisionError

    return app


async def test_runs_the_lifespan_around_requests() -> None:
    """Start-up comes before the first request, its state is there, and shutdown comes last."""
    events: list[str] = []
    async with client(make_app(events)) as api:
        assert events == ["start"]
        assert (await api.get("/")).json() == "hello test"
        assert (await api.get("/state")).json() is False, "what one request puts into its state is not the next one's"
    assert events == ["start", "stop"]


async def test_an_unhandled_error_is_what_a_client_sees_or_what_a_test_sees() -> None:
    """By default the 500 is answered; a test that wants the exception gets it."""
    async with client(make_app([])) as api:
        assert (await api.get("/error")).status_code == 500
    async with client(make_app([]), raise_app_exceptions=True) as api:
        with pytest.raises(ZeroDivisionError):
            await api.get("/error")


async def test_the_base_url_is_the_host() -> None:
    """Apps that look at the host see the one that the test wants."""
    async with client(make_app([]), base_url="https://shop.example") as api:
        assert (await api.get("/")).json() == "hello shop.example"


async def test_start_up_passes_through_the_layers() -> None:
    """What a layer finds wrong at start-up is found by the test, as by a server, and not by a user's first request."""
    app = create_app(Settings(log_level="critical"), limits={"GET /nowhere": RateLimit("1/minute")})
    with pytest.raises(UnmatchedLimitError, match="GET /nowhere"):
        async with client(app):
            pass


@pytest.mark.parametrize("phase", ["start", "stop"])
async def test_what_the_lifespan_raises_is_raised(phase: str) -> None:
    """A start-up or a shutdown that fails fails the test, with its own error."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncGenerator[None]:
        if phase == "start":
            raise LookupError(phase)
        yield
        raise LookupError(phase)

    with pytest.raises(LookupError, match=phase):
        async with client(FastAPI(lifespan=lifespan)):
            pass


async def test_an_app_that_says_only_that_it_failed_fails_the_test() -> None:
    """ASGI lets an app answer a message in place of an error."""

    class Refusing(FastAPI):
        async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002
            await receive()
            await send({"type": "lifespan.startup.failed", "message": "no disk"})

    with pytest.raises(RuntimeError, match="startup failed: no disk"):
        async with client(Refusing()):
            pass


async def test_a_test_that_fails_still_shuts_the_app_down() -> None:
    """The error is the test's, and what the app holds is closed."""
    events: list[str] = []
    with pytest.raises(ZeroDivisionError):
        async with client(make_app(events)):
            raise ZeroDivisionError
    assert events == ["start", "stop"]
