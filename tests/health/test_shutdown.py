"""Draining, and the end of streams."""

import asyncio
import logging
import os
import signal
from collections.abc import AsyncIterator, Callable, Iterator
from types import FrameType
from typing import Any

import pytest
from fastapi import FastAPI, Request
from fastapi.testclient import TestClient

from fastapi_kit.health import DrainingMiddleware, NoShutdownError, Shutdown, ShutdownDep
from fastapi_kit.lifespan import compose
from fastapi_kit.testing import client

pytestmark = pytest.mark.anyio

LONG = 3600


@pytest.fixture
def server() -> Iterator[list[int]]:
    """The signals that a server has got which takes them as uvicorn does."""
    got: list[int] = []

    def handle(number: int, _frame: FrameType | None) -> None:
        got.append(number)

    before = {number: signal.signal(number, handle) for number in (signal.SIGTERM, signal.SIGINT)}
    yield got
    for number, handler in before.items():
        signal.signal(number, handler)


async def signalled(number: int) -> None:
    """Send this process a signal, and let the event loop act on it."""
    os.kill(os.getpid(), number)
    await asyncio.sleep(0)
    await asyncio.sleep(0)


async def test_sigterm_is_kept_from_the_server_while_draining(server: list[int]) -> None:
    """Readiness goes first; the server does not know yet, and streams go on. A second SIGTERM changes nothing."""
    shutdown = Shutdown(delay=LONG)
    async with shutdown.lifespan(FastAPI()):
        assert shutdown.phase == "serving"
        for _ in range(2):
            await signalled(signal.SIGTERM)
            assert (shutdown.phase, shutdown.draining, shutdown.stopping, server) == ("draining", True, False, [])
        await signalled(signal.SIGINT)
        assert (shutdown.phase, server) == ("stopping", [signal.SIGINT])
        await asyncio.wait_for(shutdown.wait(), 1)


async def test_the_server_gets_sigterm_after_the_delay(server: list[int]) -> None:
    """Streams are told to end, then the server gets the signal, once."""
    shutdown = Shutdown(delay=0.01)
    async with shutdown.lifespan(FastAPI()):
        await signalled(signal.SIGTERM)
        assert server == []
        await asyncio.wait_for(shutdown.wait(), 1)
        assert (shutdown.phase, server) == ("stopping", [signal.SIGTERM])


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_without_delay_everything_ends_at_once(server: list[int], number: int) -> None:
    """The server gets the signal even where the event loop is blocked, and streams end."""
    shutdown = Shutdown()
    async with shutdown.lifespan(FastAPI()):
        os.kill(os.getpid(), number)
        assert server == [number]
        await asyncio.wait_for(shutdown.wait(), 1)


async def test_the_server_has_its_handlers_back_at_the_end(server: list[int]) -> None:
    """After the app's shutdown signals reach the server as if nothing had been, and the app may start again."""
    shutdown = Shutdown(delay=LONG)
    for _ in range(2):
        async with shutdown.lifespan(FastAPI()):
            assert shutdown.phase == "serving"
            shutdown.begin()
        await signalled(signal.SIGTERM)
    assert server == [signal.SIGTERM] * 2


async def test_a_handler_set_meanwhile_is_left_alone(server: list[int]) -> None:
    """What somebody else has set since is not overwritten."""
    others: list[int] = []
    async with Shutdown(delay=LONG).lifespan(FastAPI()):
        signal.signal(signal.SIGTERM, lambda number, _frame: others.append(number))
    await signalled(signal.SIGTERM)
    assert (others, server) == ([signal.SIGTERM], [])


@pytest.mark.parametrize(("delay", "warnings"), [(LONG, 1), (0, 0)], ids=["with delay", "without"])
async def test_a_server_that_uses_the_loop_gets_its_signal_and_streams_end(
    server: list[int], caplog: pytest.LogCaptureFixture, delay: float, warnings: int
) -> None:
    """Such a signal cannot be kept; that is said at the start, where somebody wanted it."""
    loop, taken = asyncio.get_running_loop(), asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, taken.set)
    shutdown = Shutdown(delay=delay)
    try:
        with caplog.at_level(logging.WARNING, "fastapi_kit.health"):
            async with shutdown.lifespan(FastAPI()):
                os.kill(os.getpid(), signal.SIGTERM)
                await asyncio.wait_for(taken.wait(), 1)
                await asyncio.wait_for(shutdown.wait(), 1)
    finally:
        loop.remove_signal_handler(signal.SIGTERM)
    assert ["cannot be delayed" in record.getMessage() for record in caplog.records] == [True] * warnings


def test_an_app_in_another_thread_touches_no_signals(server: list[int]) -> None:
    """Handlers belong to the main thread, and a test client starts the app in another."""
    before = signal.getsignal(signal.SIGTERM)
    with TestClient(FastAPI(lifespan=compose(Shutdown().lifespan))):
        assert signal.getsignal(signal.SIGTERM) is before


async def endless(items: list[int], closed: asyncio.Event) -> AsyncIterator[int]:
    """Some items, then none for ever."""
    try:
        for item in items:
            yield item
        await asyncio.Event().wait()
    finally:
        closed.set()


async def test_a_stream_ends_while_its_source_is_waiting() -> None:
    """What was there has been given, and the source is closed."""
    shutdown, closed = Shutdown(), asyncio.Event()
    got: list[int] = []
    async for item in shutdown.until(endless([1, 2, 3], closed)):
        got.append(item)
        if item == 3:
            asyncio.get_running_loop().call_soon(shutdown.stop)
    assert got == [1, 2, 3]
    assert closed.is_set()


async def test_a_stream_begun_at_the_end_is_empty() -> None:
    """A client that connects again to the same instance is not kept."""
    shutdown = Shutdown()
    shutdown.stop()
    assert [item async for item in shutdown.until(endless([1], asyncio.Event()))] == []


async def test_a_source_that_ends_or_fails_does_so_for_the_stream() -> None:
    """`until` adds an end and changes nothing else."""

    async def three() -> AsyncIterator[int]:
        for number in range(3):
            yield number

    async def broken() -> AsyncIterator[int]:
        yield 1
        raise ZeroDivisionError

    shutdown = Shutdown()
    assert [item async for item in shutdown.until(three())] == [0, 1, 2]
    with pytest.raises(ZeroDivisionError):
        assert [item async for item in shutdown.until(broken())] == []


async def test_giving_up_a_stream_closes_its_source() -> None:
    """A client that goes away leaves nothing running."""
    closed, first = asyncio.Event(), asyncio.Event()

    async def read() -> None:
        async for _ in Shutdown().until(endless([1], closed)):
            first.set()

    task = asyncio.create_task(read())
    await first.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert closed.is_set()


async def test_endpoints_get_it_and_connections_close_while_draining() -> None:
    """HTTP/1 connections are closed from the announcement on; HTTP/2 knows no such header."""
    app = FastAPI(lifespan=compose((shutdown := Shutdown(delay=LONG)).lifespan))

    @app.get("/phase")
    async def phase(shutdown: ShutdownDep) -> str:
        return shutdown.phase

    class Version:
        """Takes the version of HTTP from a header."""

        def __init__(self, inside: Callable[..., Any]) -> None:
            self.inside = inside

        async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
            version = dict(scope.get("headers", [])).get(b"x-version", b"1.1").decode()
            await self.inside({**scope, "http_version": version}, receive, send)

    app.add_middleware(DrainingMiddleware)
    app.add_middleware(Version)
    async with client(app) as api:
        serving = await api.get("/phase")
        shutdown.begin()
        draining = await api.get("/phase")
        second = await api.get("/phase", headers={"x-version": "2"})
        missing = await api.get("/missing")
    assert [serving.json(), draining.json(), second.json()] == ["serving", "draining", "draining"]
    closes = [answer.headers.get("connection") for answer in (serving, draining, second, missing)]
    assert closes == [None, "close", None, "close"]


async def test_an_app_without_it_is_told_so() -> None:
    """An endpoint that wants it names the cure."""
    app = FastAPI()

    @app.get("/")
    async def endpoint(request: Request, shutdown: ShutdownDep) -> None:
        """Never runs."""

    async with client(app, raise_app_exceptions=True) as api:
        with pytest.raises(NoShutdownError, match="lifespan=compose"):
            await api.get("/")


@pytest.mark.parametrize("delay", [-1, float("nan")])
def test_refuses_a_delay_below_0(delay: float) -> None:
    """Time does not go back."""
    with pytest.raises(ValueError, match="0 or more"):
        Shutdown(delay)


async def test_the_end_is_not_taken_back() -> None:
    """An announcement after the end changes nothing."""
    shutdown, told = Shutdown(delay=LONG), list[str]()
    shutdown.stop()
    shutdown.begin(lambda: told.append("again"))
    assert (shutdown.phase, told) == ("stopping", [])
