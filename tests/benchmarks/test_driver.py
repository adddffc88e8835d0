"""The in-process driver: what reaches the app, what comes back, and the lifespan around it."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any
from zlib import crc32

import pytest
from fastapi import FastAPI, Request

from benchmarks._driver import Call, running

pytestmark = pytest.mark.anyio


def echo_app() -> FastAPI:
    """An app that answers with what it was asked, and with the state of its lifespan."""

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncGenerator[dict[str, str]]:
        yield {"resource": "open"}

    app = FastAPI(lifespan=lifespan)

    @app.api_route("/echo/{word}", methods=["GET", "POST"])
    async def echo(request: Request, word: str) -> dict[str, Any]:
        body = (await request.body()).decode()
        return {"word": word, "query": dict(request.query_params), "body": body, "state": request.state.resource}

    return app


async def test_sends_path_query_and_body_and_collects_the_answer() -> None:
    """A call arrives decoded as from a server, and can be sent again."""
    call = Call("POST", "/echo/caf%C3%A9?limit=2", b'{"a":1}')
    async with running(echo_app()) as app:
        first, second = await app.send(call), await app.send(call)
    assert first == second
    assert first.status == 200
    assert first.body == '{"word":"café","query":{"limit":"2"},"body":"{\\"a\\":1}","state":"open"}'.encode()


async def test_a_drained_answer_is_known_by_size_and_checksum() -> None:
    """What is too large to keep is thrown away as it comes, and can still be told from another."""
    async with running(echo_app()) as app:
        answer = await app.send(Call("GET", "/echo/it"))
        drained, other = await app.drain(Call("GET", "/echo/it")), await app.drain(Call("GET", "/echo/at"))
    assert (drained.status, drained.size, drained.checksum) == (200, len(answer.body), crc32(answer.body))
    assert (other.size, other.checksum == drained.checksum) == (drained.size, False)


async def test_headers_of_a_call_are_sent() -> None:
    """Besides those that every request has."""
    app = FastAPI()

    @app.get("/")
    async def names(request: Request) -> list[str]:
        return [*request.headers]

    async with running(app) as server:
        answer = await server.send(Call("GET", "/", headers=((b"authorization", b"Bearer it"),)))
    assert answer.body == b'["host","user-agent","accept","authorization"]'


async def test_a_failed_start_up_is_raised() -> None:
    """An app that cannot start is not measured."""

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncGenerator[None]:
        raise OSError("no disk")
        yield

    with pytest.raises(RuntimeError, match="startup failed"):
        async with running(FastAPI(lifespan=lifespan)):
            pass


async def test_the_lifespan_ends_with_the_block() -> None:
    """Resources are closed when the block is left."""
    events: list[str] = []

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncGenerator[None]:
        events.append("open")
        yield
        events.append("close")

    async with running(FastAPI(lifespan=lifespan)):
        assert events == ["open"]
    assert events == ["open", "close"]
