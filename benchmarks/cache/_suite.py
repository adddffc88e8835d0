"""What a hit costs in place of the endpoint, and what the first request with a key costs more than one without."""

import os
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from starlette.types import ASGIApp

from benchmarks._driver import Call, InProcess, running
from benchmarks._measure import Contender, Pace, Sample, added, measure
from benchmarks._mode import QUICK_ALLOWANCE, Mode, Say
from benchmarks._report import Goals, Row, budget_here, compare, within
from benchmarks._work import sending
from fastapi_kit.idempotency import Idempotency

from ._apps import ITEMS, app_with, bare, endpoint, items, ours, posts, ready, theirs
from ._cashews import cashews

REDIS_URL = "redis://127.0.0.1:6379/0"
"""Where Redis is unless TEST_REDIS_URL says otherwise."""

MEMORY_HIT = 20.0
REDIS_HIT = 150.0
"""Microseconds of CPU time that a hit may take: in all, if everybody shares the answer and the route has no dependency;
else on top of what FastAPI does for a request before it calls the endpoint."""

FIRST_CALL = 25.0
"""Microseconds of CPU time that a first request with a key may take more than one without."""

ENDPOINT = 77.0
"""Microseconds that an endpoint without dependencies takes that answers with a dict, on the machine of the budgets.

Where it takes longer, as the machine is slower or others use it as well, they grow alike; they never shrink."""

QUICK = Mode(Pace(rounds=40, calls=100, seconds=8), QUICK_ALLOWANCE)
FULL = Mode(Pace(rounds=200, calls=200, seconds=60))

GET = Call("GET", "/items")
MINE = Call("GET", "/mine")


@dataclass(frozen=True, slots=True)
class FirstCalls:
    """A contender whose requests each have a key of their own."""

    server: InProcess
    keyed: bool

    async def batch(self, calls: int) -> Callable[[], Awaitable[None]]:
        """Make the requests, off the clock."""
        body = ITEMS[3].model_dump_json().encode()
        keys = [((b"idempotency-key", os.urandom(16).hex().encode()),) if self.keyed else () for _ in range(calls)]
        made = [Call("POST", "/items", body, headers) for headers in keys]

        async def run() -> None:
            for call in made:
                await self.server.send(call)

        return run


@dataclass(frozen=True, slots=True)
class Suite:
    """A run of the benchmark.

    Args:
        mode: How thoroughly to measure.
    """

    mode: Mode

    async def run(self, say: Say) -> list[Row]:
        """Measure hits on each store, then first calls."""
        rows: list[Row] = []
        url = os.environ.get("TEST_REDIS_URL") or REDIS_URL
        for store, redis_url, budget in (("memory", None, MEMORY_HIT), ("redis", url, REDIS_HIT)):
            say(f"cache.hit.{store}")
            rows += await self._hits(f"cache.hit.{store}", redis_url, budget)
        say("cache.idempotent")
        return rows + await self._first_calls()

    async def _hits(self, name: str, redis_url: str | None, budget: float) -> list[Row]:
        prefix = f"bench-{os.urandom(6).hex()}"
        apps: Mapping[str, ASGIApp] = {
            "ours": ours(redis_url, prefix),
            "ours, a user's": ours(redis_url, prefix),
            "bare": bare,
            "ready answer": ready(),
            "no cache": app_with(items),
            "fastapi-cache2": theirs(redis_url, prefix),
            "cashews": cashews(redis_url, prefix),
        }
        async with _started(apps) as contenders, running(endpoint()) as scale:
            samples = await self._measure({**contenders, "endpoint": await sending(scale, GET)})
        of_user, ready_answer = samples["ours, a user's"], samples["ready answer"]
        rows = [
            self._added(f"{name}.in_all", samples["ours"], samples["bare"], budget, samples["endpoint"]),
            self._added(f"{name}.of_a_user", of_user, ready_answer, budget, samples["endpoint"]),
        ]
        for peer in ("fastapi-cache2", "cashews", "no cache"):
            rows += compare(name, samples["ours"], peer, samples[peer], Goals())
        return rows

    async def _first_calls(self) -> list[Row]:
        name = "cache.idempotent.memory"
        async with AsyncExitStack() as stack:
            plain = await stack.enter_async_context(running(posts(None)))
            keyed = await stack.enter_async_context(running(posts(Idempotency())))
            contenders: dict[str, Contender] = {
                "endpoint": await sending(await stack.enter_async_context(running(endpoint())), GET),
                "plain": FirstCalls(plain, keyed=False),
                "ours": FirstCalls(keyed, keyed=True),
            }
            samples = await self._measure(contenders)
        return [
            self._added(f"{name}.first", samples["ours"], samples["plain"], FIRST_CALL, samples["endpoint"]),
            *compare(name, samples["ours"], "without a key", samples["plain"], Goals()),
        ]

    async def _measure(self, contenders: Mapping[str, Contender]) -> dict[str, list[Sample]]:
        return await measure(contenders, self.mode.pace)

    def _added(
        self,
        name: str,
        with_it: Sequence[Sample],
        without: Sequence[Sample],
        budget: float,
        endpoint: Sequence[Sample],
    ) -> Row:
        """What is taken more by one than by the other, beside the budget as it is on this machine."""
        here = budget_here(budget, ENDPOINT, endpoint)
        return within(f"{name}.cpu", added(with_it, without), "budget", here, self.mode.allowance)


@asynccontextmanager
async def _started(apps: Mapping[str, ASGIApp]) -> AsyncGenerator[dict[str, Contender]]:
    """Start all apps; all answer the same, the second time as the first."""
    async with AsyncExitStack() as stack:
        contenders: dict[str, Contender] = {}
        expected = None
        for name, app in apps.items():
            server = await stack.enter_async_context(running(app))
            call = MINE if name == "ours, a user's" else GET
            for _ in range(2):
                answer = await server.send(call)
                expected = expected or answer
                if answer != expected:
                    raise AssertionError(f"{name}: {answer}, not {expected}")
            contenders[name] = await sending(server, call)
        yield contenders
