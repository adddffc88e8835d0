"""Each operation on each database: first that all contestants do the same, then what it costs them."""

from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from benchmarks._databases import Place, on_each, postgres, sqlite
from benchmarks._driver import InProcess, running
from benchmarks._measure import Pace, frozen_heap, interleave
from benchmarks._mode import QUICK_ALLOWANCE, Mode, Say
from benchmarks._report import Goal, Goals, Row, compare
from examples.atlas.data import CITIES_15000, Dataset

from ._contestant import Contestant, ListQuery
from ._entrant import Entrant
from ._goals import cpu_goal
from ._operations import Create, Delete, Get, Operation, Page, Patch
from ._rows import Cities, fill

OPERATIONS: tuple[Operation, ...] = (
    Get(),
    Page("list20", ListQuery(limit=20)),
    Page("list100", ListQuery(limit=100)),
    Page("filtered", ListQuery(limit=20, filtered=True)),
    Create(),
    Patch(),
    Delete(),
)
QUICK = Mode(Pace(rounds=24, calls=12, seconds=0.5), QUICK_ALLOWANCE)
FULL = Mode(Pace(rounds=60, calls=30, seconds=45))


Running = tuple[Contestant, InProcess]
Key = tuple[str, Operation]
"""A contestant's name and the form of the operation."""


@dataclass(frozen=True, slots=True)
class Contest:
    """One operation: every peer's entrant, and ours in the same form (a peer may do more than was asked)."""

    name: str
    operation: str
    entrants: dict[Key, Entrant]
    pairs: dict[str, tuple[Key, Key]]
    """By peer: ours and the peer's."""

    async def check(self) -> None:
        """Raise unless all do the same; they are warm after this."""
        outcomes = [(key, await entrant.outcome()) for key, entrant in self.entrants.items()]
        _, expected = outcomes[0]
        for key, outcome in outcomes:
            if outcome != expected:
                raise AssertionError(f"{self.name}: {key} does {outcome}, {outcomes[0][0]} does {expected}")

    async def measure(self, place: Place, mode: Mode) -> list[Row]:
        """Time all of them, and compare ours with each peer."""
        with frozen_heap():
            samples = await interleave(self.entrants, mode.pace)
        rows: list[Row] = []
        for peer, (mine, theirs) in self.pairs.items():
            wanted = cpu_goal(place.name, peer, self.operation)
            goal = None if wanted is None else Goal(wanted, mode.allowance)
            rows += compare(self.name, samples[mine], peer, samples[theirs], Goals(cpu=goal))
        return rows

    async def statements(self) -> str:
        """Statements per request, as a line to show."""
        counts = {key: await entrant.statements() for key, entrant in self.entrants.items() if entrant.countable}
        return f"{self.name}: " + ", ".join(
            f"ours {counts[mine]} and {peer} {counts[theirs]}"
            for peer, (mine, theirs) in self.pairs.items()
            if theirs in counts
        )


def contest(name: str, operation: Operation, cities: Cities, mine: Running, peers: Sequence[Running]) -> Contest:
    """Set ours against each of `peers` that can do it."""
    entrants: dict[Key, Entrant] = {}
    pairs: dict[str, tuple[Key, Key]] = {}
    for peer in peers:
        if operation.name in peer[0].lacks:
            continue
        form = operation.against(peer[0])
        keys = (mine[0].name, form), (peer[0].name, form)
        entrants.update({key: Entrant(*it, form, cities) for key, it in zip(keys, (mine, peer), strict=True)})
        pairs[peer[0].name] = keys
    return Contest(f"{name}.{operation.name}", operation.name, entrants, pairs)


@dataclass(frozen=True, slots=True)
class Suite:
    """A run of the benchmark.

    Args:
        contestants: Each makes its contestant for a database URL; ours first, then the peers.
        mode: How thoroughly to measure.
        title: What the names of its rows begin with, after `crud` and the database.
        operations: What to measure.
        country: The only country whose cities are asked for; `None` for all.
        dataset: The cities.
    """

    contestants: Sequence[Callable[[str], Contestant]]
    mode: Mode
    title: str = ""
    operations: Sequence[Operation] = OPERATIONS
    country: str | None = None
    dataset: Dataset = CITIES_15000

    async def run(self, say: Say) -> list[Row]:
        """Measure on every database that can be had, and say which cannot."""
        return await on_each([sqlite, postgres], self.measure, say)

    async def measure(self, place: Place, say: Say) -> list[Row]:
        """Measure on one empty database."""
        rows: list[Row] = []
        async with self._started(place) as (cities, (mine, *peers)):
            name = f"crud.{place.name}{self.title}"
            for peer, _ in peers:
                for operation, reason in peer.lacks.items():
                    say(f"{name}.{operation} without {peer.name}: {reason}")
            contests = [contest(name, operation, cities, mine, peers) for operation in self.operations]
            contests = [held for held in contests if held.pairs]
            for held in contests:
                await held.check()
            for held in contests:
                say(held.name)
                rows += await held.measure(place, self.mode)
            if place.name == "postgres":
                say("statements per request, BEGIN, COMMIT and ROLLBACK included:")
                for held in contests:
                    say(await held.statements())
        return rows

    @asynccontextmanager
    async def _started(self, place: Place) -> AsyncGenerator[tuple[Cities, list[Running]]]:
        """Fill the database and start every contestant on it."""
        await fill(place.url, self.dataset)
        cities = Cities(place.url)
        await cities.load_ids(self.country)
        async with AsyncExitStack() as stack:
            stack.push_async_callback(cities.aclose)
            made = [make(place.url) for make in self.contestants]
            yield cities, [(it, await stack.enter_async_context(running(it.app))) for it in made]
