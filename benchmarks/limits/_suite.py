"""What a limit adds to a request, in memory and on Redis, and how often it asks Redis."""

import os
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from statistics import median

from fastapi import Depends, FastAPI

from benchmarks._driver import Call, running
from benchmarks._measure import Contender, Pace, added, measure
from benchmarks._mode import QUICK_ALLOWANCE, Mode, Say
from benchmarks._report import Row, budget_here, within
from benchmarks._work import sending
from fastapi_kit.redis import RedisClient
from fastapi_kit.testing import client

from ._apps import adapted, app_with, nothing, ours, slowapi
from ._trips import trips

REDIS_URL = "redis://127.0.0.1:6379/0"
"""Where Redis is unless TEST_REDIS_URL says otherwise."""

MEMORY = 10.0
REDIS = 260.0
"""Microseconds of CPU time that a limit with its headers may add to a request."""

BARE = 77.0
"""Microseconds that FastAPI takes for the endpoint without a limit on the machine for which the budgets are.

Where it takes longer, as the machine is slower or others use it as well, they grow alike; they never shrink."""

NOTHING = "a dependency that does nothing"
WITHOUT = ("plain", NOTHING)
MIDDLEWARES = ("slowapi, middleware", "slowapi, ASGI middleware")
PEERS = {
    "policy": MIDDLEWARES,
    "dependency": ("slowapi", NOTHING),
    "adapter": ("slowapi",),
}
"""The kit's limits, and whose cost each is set beside."""
BUDGETED = (("policy.added", "policy", "plain"), ("dependency.itself", "dependency", NOTHING))
"""What may add the budget to what, by name: any dependency costs what FastAPI takes to find and call it."""
QUICK = Mode(Pace(rounds=40, calls=100, seconds=12), QUICK_ALLOWANCE)
FULL = Mode(Pace(rounds=200, calls=200, seconds=60))

GET = Call("GET", "/hello")
_COUNTED = 100


@dataclass(frozen=True, slots=True)
class Suite:
    """A run of the benchmark.

    Args:
        mode: How thoroughly to measure.
    """

    mode: Mode

    async def run(self, say: Say) -> list[Row]:
        """Measure limits on each store, then count what they ask of Redis."""
        url = os.environ.get("TEST_REDIS_URL") or REDIS_URL
        rows: list[Row] = []
        for store, redis_url, budget in (("memory", None, MEMORY), ("redis", url, REDIS)):
            say(f"limits.{store}")
            rows += await self._added(f"limits.{store}", redis_url, budget)
        say("limits.redis.trips")
        return [*rows, *[await _trips(url, name) for name in ("policy", "dependency")]]

    async def _added(self, name: str, redis_url: str | None, budget: float) -> list[Row]:
        prefix = f"bench-{os.urandom(6).hex()}:"
        apps: Mapping[str, FastAPI] = {
            "plain": app_with(),
            NOTHING: app_with(dependencies=[Depends(nothing)]),
            "policy": ours(redis_url, prefix, as_dependency=False),
            "dependency": ours(redis_url, prefix, as_dependency=True),
            "adapter": adapted(redis_url, prefix),
            "slowapi": slowapi(redis_url, prefix),
            "slowapi, ASGI middleware": slowapi(redis_url, prefix, "asgi"),
            "slowapi, middleware": slowapi(redis_url, prefix, "http"),
        }
        async with _started(apps) as contenders:
            samples = await measure(contenders, self.mode.pace)
        plain = samples["plain"]
        here = budget_here(budget, BARE, plain)
        more = {of: added(its, plain) for of, its in samples.items()}
        return [
            _beside(f"{name}.plain", [sample.cpu for sample in plain], "where budgets are", [BARE]),
            *(
                within(f"{name}.{called}.cpu", added(samples[of], samples[to]), "budget", here, self.mode.allowance)
                for called, of, to in BUDGETED
            ),
            *(
                _beside(f"{name}.{of}.added", more[of], peer, more[peer])
                for of, peers in PEERS.items()
                for peer in peers
            ),
        ]


def _beside(name: str, ours: Sequence[float], peer: str, theirs: Sequence[float]) -> Row:
    """The row of medians; differences of two figures are too noisy for a ratio of each round."""
    one, other = median(ours), median(theirs)
    return Row(f"{name}.cpu", round(one, 1), peer, round(other, 1), round(one / other, 3), None, None)


async def _trips(url: str, name: str) -> Row:
    """Commands for each request, once the script is known to the server."""
    prefix = f"bench-{os.urandom(6).hex()}:"
    redis = RedisClient(url)
    try:
        async with running(ours(url, prefix, as_dependency=name == "dependency")) as server:
            work = await sending(server, GET)
            sent = await trips(redis, prefix, await work.batch(_COUNTED)) / _COUNTED
    finally:
        await redis.aclose()
    return Row(f"limits.redis.{name}.trips", sent, "one", 1, sent, 1.0, sent == 1.0)


async def _tells(app: FastAPI) -> bool:
    """Whether the answer, which is the same for all, tells of a limit."""
    async with client(app) as http:
        answer = await http.get("/hello")
    if answer.json() != "hello":
        raise AssertionError(answer.text)
    return not {"ratelimit", "x-ratelimit-limit"}.isdisjoint(answer.headers)


@asynccontextmanager
async def _started(apps: Mapping[str, FastAPI]) -> AsyncGenerator[dict[str, Contender]]:
    """Start all apps; all answer the same, and those with a limit tell of it."""
    async with AsyncExitStack() as stack:
        contenders: dict[str, Contender] = {}
        for name, app in apps.items():
            if await _tells(app) != (name not in WITHOUT):
                raise AssertionError(f"{name} does not tell of its limit, or has one")
            server = await stack.enter_async_context(running(app))
            contenders[name] = await sending(server, GET)
        yield contenders
