"""What others notice of logins: the tail of an unrelated endpoint, and memory, while twenty passwords are compared."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from statistics import quantiles

from fastapi import FastAPI

from benchmarks._driver import Call, InProcess, running
from benchmarks._memory import watch_growth
from benchmarks._mode import Say
from benchmarks._report import Goal, Row, row
from fastapi_kit.auth import PasswordHasher

LOGINS = 20
TAIL, EXTRA_US = 3.0, 20_000.0
"""The tail may be the larger of so many times the idle one, and so many microseconds above it."""
MEMORY = 200.0
"""MB by which the process may grow."""
_PAUSE = 0.001
"""Seconds between two requests, so that the loop is not all theirs."""


async def logins(rounds: int, say: Say) -> list[Row]:
    """Measure the endpoint idle, then while logins are under way, `rounds` times by turns."""
    say(f"auth.logins: {LOGINS} at once")
    growth = watch_growth()
    hasher = PasswordHasher()
    stored = await hasher.hash("correct horse battery staple")
    await hasher.calibrate()
    async with running(_app()) as server:
        await _tail(server, _idle)  # warm
        idle, busy = list[float](), list[float]()
        for _ in range(rounds):
            idle.append(await _tail(server, _idle))
            busy.append(await _tail(server, lambda: _login_all(hasher, stored)))
        grown = growth()
    allowed = max(TAIL, 1 + EXTRA_US / min(idle))
    rows = [row("auth.logins.p99", busy, "idle", idle, Goal(round(allowed, 1)))]
    if grown is None:
        say("auth.logins: memory is left out, as this system does not tell its peak")
        return rows
    return [*rows, row("auth.logins.rss_mb", [max(grown, 0.1)], f"{MEMORY:.0f} MB", [MEMORY], Goal(1.0))]


def _app() -> FastAPI:
    app = FastAPI()

    @app.get("/unrelated")
    async def unrelated() -> str:  # pyright: ignore[reportUnusedFunction]
        return "answer"

    return app


async def _idle() -> None:
    await asyncio.sleep(1)


async def _login_all(hasher: PasswordHasher, stored: str) -> None:
    found = await asyncio.gather(*(hasher.verify("correct horse battery staple", stored) for _ in range(LOGINS)))
    if not all(it.valid for it in found):
        raise AssertionError("a login failed")


async def _tail(server: InProcess, meanwhile: Callable[[], Awaitable[None]]) -> float:
    """The 99th percentile, in microseconds, of an endpoint that is asked all the while."""
    task, times = asyncio.ensure_future(meanwhile()), list[float]()
    while not task.done() or len(times) < 2:
        started = time.perf_counter()
        await server.send(Call("GET", "/unrelated"))
        times.append((time.perf_counter() - started) * 1e6)
        await asyncio.sleep(_PAUSE)
    await task
    return quantiles(times, n=100)[-1]
