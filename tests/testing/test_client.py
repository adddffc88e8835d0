"""`client`: a client with the app's lifespan around it."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import pytest
from fastapi import FastAPI, Request

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
