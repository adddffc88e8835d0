"""Functions that are called after the response."""

import asyncio
import logging
import threading
import time
from collections.abc import AsyncIterator, Callable
from functools import partial
from typing import Any

import anyio
import anyio.lowlevel
import pytest
from fastapi import BackgroundTasks, FastAPI, HTTPException, WebSocket
from fastapi.responses import StreamingResponse
from fastapi.testclient import TestClient
from hypothesis import given
from hypothesis import strategies as st
from structlog.contextvars import bind_contextvars, get_contextvars

from fastapi_kit.concurrency import AfterResponseDep, AfterResponseRunner, NoRunnerError
from fastapi_kit.db import Database, SessionDep
from fastapi_kit.lifespan import compose
from fastapi_kit.logs import RequestContextMiddleware
from fastapi_kit.testing import client

pytestmark = pytest.mark.anyio


class Book:
    """Notes what was called, and with what bound to its log lines."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.bound: list[dict[str, Any]] = []
        self.threads: list[threading.Thread] = []

    def note(self, line: str, *, bound: bool = True) -> None:
        """Not async."""
        self.lines.append(line)
        self.threads.append(threading.current_thread())
        if bound:
            self.bound.append(get_contextvars())

    async def note_later(self, line: str) -> None:
        """Async."""
        await anyio.lowlevel.checkpoint()
        self.note(line)

    async def fail(self) -> None:
        """Has a secret in its message."""
        raise RuntimeError("postgresql://admin:hunter2@db")


@pytest.fixture
def book() -> Book:
    """An empty one."""
    return Book()


def application(runner: AfterResponseRunner, **options: Any) -> FastAPI:
    """An app without routes."""
    return FastAPI(lifespan=compose(runner.lifespan), **options)


async def test_functions_are_called_in_order_after_the_answer(book: Book) -> None:
    """Async ones in the loop, others in a thread, with their arguments and the request's id."""
    runner = AfterResponseRunner()
    app = application(runner)
    app.add_middleware(RequestContextMiddleware)

    @app.get("/")
    async def endpoint(after: AfterResponseDep) -> list[str]:
        after.add_task(book.note, "first", bound=True)
        after.add_task(book.note_later, line="second")
        after.add_task(partial(book.note_later, "third"))
        bind_contextvars(user="ann")
        return book.lines

    async with client(app) as api:
        answer = await api.get("/", headers={"x-request-id": "request-1"})
        assert answer.json() == []
        await runner.join()
    assert book.lines == ["first", "second", "third"]
    assert book.bound == [{"request_id": "request-1", "user": "ann"}] * 3
    main = threading.main_thread()
    assert [thread is main for thread in book.threads] == [False, True, True]


async def test_a_failure_is_logged_and_skips_nothing(book: Book, caplog: pytest.LogCaptureFixture) -> None:
    """One traceback, by the function's name; the answer is as it was."""
    runner = AfterResponseRunner()
    app = application(runner)

    @app.get("/")
    async def endpoint(after: AfterResponseDep) -> str:
        after.add_task(book.fail)
        after.add_task(book.note, "next")
        return "done"

    async with client(app, raise_app_exceptions=True) as api:
        assert (await api.get("/")).json() == "done"
        await runner.join()
    assert book.lines == ["next"]
    (record,) = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert record.getMessage() == "Book.fail failed after the response"
    assert record.exc_info is not None


async def test_nothing_is_called_for_a_request_that_failed(book: Book, database: Database) -> None:
    """By an exception for the client, by any other, or by its COMMIT: what it did was rolled back."""
    runner = AfterResponseRunner()
    app = FastAPI(lifespan=compose(database.lifespan, runner.lifespan))

    @app.get("/{how}")
    async def endpoint(how: str, after: AfterResponseDep, session: SessionDep) -> None:
        after.add_task(book.note, how)
        if how == "refused":
            raise HTTPException(409)
        if how == "failed":
            raise RuntimeError("hidden")
        if how == "uncommitted":

            async def commit() -> None:
                raise RuntimeError("hidden")

            session.commit = commit  # type: ignore[method-assign]

    async with client(app) as api:
        statuses = [(await api.get(f"/{how}")).status_code for how in ("refused", "failed", "uncommitted", "done")]
        await runner.join()
    assert statuses == [409, 500, 500, 200]
    assert book.lines == ["done"]


async def test_the_answer_does_not_wait(book: Book) -> None:
    """Nor does a stream begin later, and the functions are called when it has ended."""
    runner = AfterResponseRunner()
    app = application(runner)
    gate = anyio.Event()

    async def wait() -> None:
        await gate.wait()
        book.note("after")

    @app.get("/")
    async def endpoint(after: AfterResponseDep) -> StreamingResponse:
        after.add_task(wait)

        async def chunks() -> AsyncIterator[str]:
            yield "a"
            book.note("streamed")

        return StreamingResponse(chunks())

    async with client(app) as api:
        assert (await api.get("/")).text == "a"
        assert book.lines == ["streamed"]
        assert runner.running == 1
        gate.set()
        await runner.join()
    assert book.lines == ["streamed", "after"]


async def test_the_shutdown_waits(book: Book) -> None:
    """What runs at the end is finished, while the resources that were opened before are still there."""
    runner = AfterResponseRunner()
    app = application(runner)

    async def slow() -> None:
        await anyio.sleep(0.2)
        book.note("done")

    @app.get("/")
    async def endpoint(after: AfterResponseDep) -> None:
        after.add_task(slow)
        after.add_task(time.sleep, 0.01)
        after.add_task(book.note, "last")

    async with client(app) as api:
        await api.get("/")
    assert book.lines == ["done", "last"]


async def test_the_shutdown_waits_for_a_bounded_time(book: Book, caplog: pytest.LogCaptureFixture) -> None:
    """What hangs is cancelled, and said; what ignores that is left."""
    runner = AfterResponseRunner(drain=0.1)
    app = application(runner)

    async def hang(stubborn: bool) -> None:
        try:
            await anyio.sleep(60)
        finally:
            book.note("cancelled")
            if stubborn:
                with anyio.CancelScope(shield=True):
                    await anyio.sleep(3)

    @app.get("/{stubborn}")
    async def endpoint(stubborn: bool, after: AfterResponseDep) -> None:
        after.add_task(hang, stubborn)

    began = time.monotonic()
    async with client(app) as api:
        await api.get("/0")
        await api.get("/1")
    assert time.monotonic() - began < 2.5
    assert book.lines == ["cancelled", "cancelled"]
    assert "2 were still running 0.1 seconds after the app's end" in caplog.text
    await runner.join()


async def test_functions_cannot_pile_up(book: Book) -> None:
    """Beyond the limit a request waits, with its answer sent, until others have ended."""
    runner = AfterResponseRunner(limit=2)
    gate = anyio.Event()
    most = 0

    async def wait() -> None:
        nonlocal most
        most = max(most, runner.running)
        await gate.wait()

    async with anyio.create_task_group() as group:
        for _ in range(5):
            group.start_soon(runner.start, [wait])
        await anyio.sleep(0.05)
        assert runner.running == 2
        gate.set()
    await runner.join()
    assert most == 2


async def test_without_a_runner_the_cure_is_named() -> None:
    """A misconfigured app tells at its first request."""
    app = FastAPI()

    @app.get("/")
    async def endpoint(after: AfterResponseDep) -> None: ...

    async with client(app, raise_app_exceptions=True) as api:
        with pytest.raises(NoRunnerError, match="AfterResponseRunner"):
            await api.get("/")


def test_websockets_have_it_too(book: Book) -> None:
    """The functions are called when the websocket has ended."""
    app = application(AfterResponseRunner())

    @app.websocket("/")
    async def endpoint(websocket: WebSocket, after: AfterResponseDep) -> None:
        await websocket.accept()
        after.add_task(book.note, "ended")
        await websocket.close()

    with TestClient(app) as api, api.websocket_connect("/"):
        pass
    assert book.lines == ["ended"]


@pytest.mark.parametrize("options", [{"limit": 0}, {"threads": 0}, {"drain": -1}])
def test_impossible_options_are_refused(options: dict[str, Any]) -> None:
    """A mistake in the options is told at once."""
    with pytest.raises(ValueError, match=next(iter(options))):
        AfterResponseRunner(**options)


@given(st.lists(st.sampled_from(["sync", "async", "sync fails", "async fails"]), max_size=8))
def test_each_is_called_once_and_in_order(kinds: list[str]) -> None:
    """Whatever kinds there are, and whichever of them fail; without failures, what `BackgroundTasks` does."""

    def calls_of(seen: list[int]) -> list[Callable[[], object]]:
        def sync(number: int, *, fails: bool) -> None:
            seen.append(number)
            if fails:
                raise LookupError

        async def asynchronous(number: int, *, fails: bool) -> None:
            await asyncio.sleep(0)
            sync(number, fails=fails)

        return [
            partial(asynchronous if "async" in kind else sync, number, fails="fails" in kind)
            for number, kind in enumerate(kinds)
        ]

    async def run(seen: list[int], expected: list[int]) -> None:
        runner = AfterResponseRunner()
        await runner.start(calls_of(seen))
        await runner.join()
        peer = BackgroundTasks()
        for call in calls_of(expected):
            peer.add_task(call)
        await peer()

    ours, theirs = list[int](), list[int]()
    logging.disable(logging.ERROR)
    try:
        asyncio.run(run(ours, theirs))
    except LookupError:
        assert theirs == ours[: len(theirs)]
    else:
        assert theirs == ours
    finally:
        logging.disable(logging.NOTSET)
    assert ours == list(range(len(kinds)))
