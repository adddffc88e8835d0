"""Each kind of router in each layout: first that all answer the same, then what it costs."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from benchmarks._databases import sqlite
from benchmarks._driver import running
from benchmarks._measure import Pace, measure
from benchmarks._mode import QUICK_ALLOWANCE, Mode, Say
from benchmarks._report import Goal, Goals, Row, compare
from benchmarks._work import Repeated, sending
from fastapi_kit.db import Database

from ._apps import Layout, Make, fill, generated, make_app, trivial

KINDS: Mapping[str, Make] = {"sqlite.get": generated, "trivial": trivial}
RATIO = 1.3
"""What a request to the last of many routers may cost in CPU time, as a ratio to one in an app with a single router."""

QUICK = Mode(Pace(rounds=30, calls=40, seconds=8), QUICK_ALLOWANCE)
FULL = Mode(Pace(rounds=120, calls=60, seconds=60))


@dataclass(frozen=True, slots=True)
class Suite:
    """A run of the benchmark.

    Args:
        mode: How thoroughly to measure.
        routers: How many routers the large apps have.
    """

    mode: Mode
    routers: int = 100

    async def run(self, say: Say) -> list[Row]:
        """Measure every kind of router."""
        rows: list[Row] = []
        async with sqlite() as place:
            await fill(place.url)
            for kind in KINDS:
                name = f"routing.{kind}"
                say(name)
                rows += await self._measure(name, KINDS[kind], place.url)
        return rows

    async def _measure(self, name: str, make: Make, url: str) -> list[Row]:
        ours = Layout("ours", self.routers, indexed=True)
        peers = Layout("one router", 1), Layout("not indexed", self.routers)
        goals = Goal(RATIO, self.mode.allowance), None
        async with _started((ours, *peers), make, url) as contenders:
            samples = await measure(contenders, self.mode.pace)
        rows: list[Row] = []
        for peer, goal in zip(peers, goals, strict=True):
            rows += compare(name, samples[ours], peer.name, samples[peer], Goals(cpu=goal))
        return rows


@asynccontextmanager
async def _started(layouts: tuple[Layout, ...], make: Make, url: str) -> AsyncGenerator[dict[Layout, Repeated]]:
    """Start an app in each layout; all answer the same."""
    async with AsyncExitStack() as stack:
        contenders: dict[Layout, Repeated] = {}
        expected = None
        for layout in layouts:
            server = await stack.enter_async_context(running(make_app(layout, make, Database(url))))
            answer = await server.send(layout.call)
            expected = expected or answer
            if answer != expected:
                raise AssertionError(f"{layout}: {answer}, not {expected}")
            contenders[layout] = await sending(server, layout.call)
        yield contenders
