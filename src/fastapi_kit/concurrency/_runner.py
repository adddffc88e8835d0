"""Who calls functions after responses, and ends with the app."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from inspect import isawaitable, iscoroutinefunction
from typing import Any

from anyio import CapacityLimiter, to_thread
from starlette.applications import Starlette

from fastapi_kit.concurrency._after_response import Call

logger = logging.getLogger("fastapi_kit.after_response")

_CANCELLATION = 1.0
"""Seconds in which functions that were cancelled may clean up."""


class AfterResponseRunner:
    """Calls what requests have left, each request's functions in a task of their own.

    Give `lifespan` to the app, after the resources that the functions use: it is then closed before them. `create_app`
    has one.

    Args:
        limit: How many requests' functions run at a time. Beyond that a request waits, with its answer sent, until
            others have ended, as with `BackgroundTasks`: so they cannot pile up.
        threads: How many functions that are not async run at a time.
        drain: Seconds that the shutdown waits for functions that still run; then they are cancelled, and their number
            is logged. A thread cannot be cancelled: it is left behind, and Python waits for it before it exits.

    Raises:
        ValueError: `limit` or `threads` is below 1, or `drain` below 0.
    """

    def __init__(self, *, limit: int = 100, threads: int = 10, drain: float = 10.0) -> None:
        if limit < 1 or threads < 1:
            raise ValueError(f"limit={limit}, threads={threads}: at least one has to run")
        if drain < 0:
            raise ValueError(f"drain={drain}: a number of seconds, 0 or more")
        self._slots = asyncio.Semaphore(limit)
        self._threads = threads
        self._limiter: CapacityLimiter | None = None
        self._drain = drain
        self._running: set[asyncio.Task[None]] = set()

    @property
    def running(self) -> int:
        """How many requests' functions run now."""
        return len(self._running)

    async def start(self, calls: Sequence[Call]) -> None:
        """Call the functions, one after the other, beside the caller; waits only while `limit` others run.

        What the caller has bound for its log lines, the request's id for one, is on theirs.
        """
        await self._slots.acquire()
        task = asyncio.create_task(self._run(calls))
        self._running.add(task)  # the loop itself holds tasks weakly
        task.add_done_callback(self._ended)

    async def join(self) -> None:
        """Wait until nothing runs, such as in a test."""
        while self._running:
            await asyncio.wait(self._running)

    @asynccontextmanager
    async def lifespan(self, app: Starlette) -> AsyncGenerator[Mapping[str, Any]]:  # noqa: ARG002 - as resources have it
        """The lifespan resource: puts this runner into the requests' state as `after_response`, and drains it."""
        try:
            yield {"after_response": self}
        finally:
            await self._end()

    def _ended(self, task: "asyncio.Task[None]") -> None:
        self._running.discard(task)
        self._slots.release()

    async def _run(self, calls: Sequence[Call]) -> None:
        for call in calls:
            try:
                await self._call(call)
            except Exception:
                logger.exception("%s failed after the response", _name(call))

    async def _call(self, call: Call) -> None:
        if _is_async(call):
            result = call()
        else:
            self._limiter = self._limiter or CapacityLimiter(self._threads)
            result = await to_thread.run_sync(call, limiter=self._limiter, abandon_on_cancel=True)
        if isawaitable(result):
            await result

    async def _end(self) -> None:
        if self._running:
            await asyncio.wait(self._running, timeout=self._drain)
        if not self._running:
            return
        logger.warning("%d were still running %s seconds after the app's end", len(self._running), self._drain)
        for task in self._running:
            task.cancel()
        await asyncio.wait(self._running, timeout=_CANCELLATION)


def _is_async(call: object) -> bool:
    """Whether calling it makes a coroutine at once, so that it needs no thread."""
    while isinstance(call, partial):
        call = call.func
    return iscoroutinefunction(call) or iscoroutinefunction(getattr(call, "__call__", None))  # noqa: B004 - its kind


def _name(call: object) -> str:
    """Of the function alone: a repr of the arguments may hold what is secret."""
    while isinstance(call, partial):
        call = call.func
    return str(getattr(call, "__qualname__", type(call).__qualname__))
