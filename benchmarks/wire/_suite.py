"""Gets and lists by each contestant in turns: requests per second, and how far the slowest are behind."""

import json
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from dataclasses import dataclass
from random import Random

from benchmarks._databases import Place, on_each, postgres
from benchmarks._measure import frozen_heap
from benchmarks._mode import QUICK_ALLOWANCE, Say
from benchmarks._report import Goal, Row, row
from benchmarks.crud._contestant import ListQuery
from benchmarks.crud._operations import Get, Lane, Operation, Page
from benchmarks.crud._rows import Cities, fill
from examples.atlas.data import CITIES_15000, Dataset

from ._client import Client, Load, as_bytes, connected
from ._server import CONTESTANTS, serving

CONNECTIONS = 8
OPERATIONS: Sequence[Operation] = (Get(), Page("list20", ListQuery(limit=20)))
THROUGHPUT = 1 / 3
"""The time from one answer to the next, as a ratio to the hand-written app's: three times as many requests a second."""
TAIL = 4.0
"""The 99th percentile of latency, as a ratio to the median."""


@dataclass(frozen=True, slots=True)
class Effort:
    """How thoroughly to measure.

    Args:
        rounds: Rounds of each operation; the order moves on by one each round.
        requests: Requests to each server in each round.
        allowance: By what factor a goal may be missed.
    """

    rounds: int
    requests: int
    allowance: float = 1.0


QUICK = Effort(rounds=4, requests=160, allowance=QUICK_ALLOWANCE)
FULL = Effort(rounds=16, requests=1_000)


@dataclass(frozen=True, slots=True)
class Suite:
    """A run of the benchmark.

    Args:
        effort: How thoroughly to measure.
        dataset: The cities.
    """

    effort: Effort
    dataset: Dataset = CITIES_15000

    async def run(self, say: Say) -> list[Row]:
        """Measure on PostgreSQL, if there is one."""
        return await on_each([postgres], self.measure, say)

    async def measure(self, place: Place, say: Say) -> list[Row]:
        """Measure on one empty database."""
        await fill(place.url, self.dataset)
        rows: list[Row] = []
        async with aclosing(Cities(place.url)) as cities, _served(place.url) as clients:
            await cities.load_ids(None)
            for operation in OPERATIONS:
                name = f"crud.{place.name}.wire.{operation.name}"
                say(f"{name}: {CONNECTIONS} connections")
                lanes = {it: Lane(CONTESTANTS[it](place.url), cities, Random(2026)) for it in clients}  # noqa: S311
                await check(operation, lanes, clients)
                rows += self._rows(name, await self._loads(operation, lanes, clients))
        return rows

    async def _loads(
        self, operation: Operation, lanes: Mapping[str, Lane], clients: Mapping[str, Client]
    ) -> Mapping[str, Sequence[Load]]:
        """By contestant, one load per round, after one to warm up."""
        loads: dict[str, list[Load]] = {name: [] for name in clients}
        names = list(clients)
        with frozen_heap():
            for number in range(self.effort.rounds + 1):
                turn = number % len(names)
                for name in names[turn:] + names[:turn]:
                    calls = await operation.calls(lanes[name], self.effort.requests)
                    loads[name].append(await clients[name].load([as_bytes(call) for call in calls]))
        return {name: of_one[1:] for name, of_one in loads.items()}

    def _rows(self, name: str, loads: Mapping[str, Sequence[Load]]) -> list[Row]:
        ours, theirs = loads["ours"], loads["handwritten"]
        pace = [[load.pace for load in side] for side in (ours, theirs)]
        p99 = [[load.percentile(0.99) for load in side] for side in (ours, theirs)]
        p50 = [[load.percentile(0.50) for load in side] for side in (ours, theirs)]
        throughput, tail = (Goal(it, self.effort.allowance) for it in (THROUGHPUT, TAIL))
        return [
            row(f"{name}.throughput", pace[0], "handwritten", pace[1], throughput),
            row(f"{name}.p50", p50[0], "handwritten", p50[1], None),
            row(f"{name}.p99", p99[0], "handwritten", p99[1], None),
            row(f"{name}.p99", p99[0], "its own p50", p50[0], tail),
        ]


async def check(operation: Operation, lanes: Mapping[str, Lane], clients: Mapping[str, Client]) -> None:
    """See that all show the same rows for the same request.

    Raises:
        AssertionError: One shows others.
    """
    expected = None
    for name, lane in lanes.items():
        (call,) = await operation.calls(lane, 1)
        body = json.loads(await clients[name].get(as_bytes(call)))
        shown = lane.contestant.items(body) if isinstance(operation, Page) else body
        expected = expected or shown
        if not shown or shown != expected:
            raise AssertionError(f"{operation.name}: {name} shows {shown}, not {expected}")


@asynccontextmanager
async def _served(url: str) -> AsyncGenerator[Mapping[str, Client]]:
    """Serve every contestant, and connect to it."""
    async with AsyncExitStack() as stack:
        ports = {name: await stack.enter_async_context(serving(name, url)) for name in CONTESTANTS}
        yield {name: await stack.enter_async_context(connected(port, CONNECTIONS)) for name, port in ports.items()}
