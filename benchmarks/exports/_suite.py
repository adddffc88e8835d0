"""Both forms on each database, by ours and by the ORM, in turns."""

from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass

from benchmarks._databases import Place, on_each, postgres, sqlite
from benchmarks._mode import QUICK_ALLOWANCE, Say
from benchmarks._report import Goal, Goals, Row, compare, row
from benchmarks.places._rows import fill

from ._worker import Outcome, Worker, worker


@dataclass(frozen=True, slots=True)
class Exporter:
    """A contestant: an app, and the form in which it is asked for all places."""

    app: str
    form: str


OURS_NDJSON, OURS_CSV = Exporter("plain", "ndjson"), Exporter("plain", "csv")
ORM_NDJSON, ORM_CSV = Exporter("orm", "ndjson"), Exporter("orm", "csv")
PEERS = {ORM_NDJSON: "orm, JSON lines", ORM_CSV: "orm, CSV"}

WALL = {(OURS_NDJSON, ORM_NDJSON): 1 / 3, (OURS_CSV, ORM_NDJSON): 1 / 3, (OURS_CSV, ORM_CSV): None}
"""The pairs that are compared, and the ratio of wall times to reach."""
MEMORY = 15.0
"""MB by which exporting may let a process grow."""

Outcomes = Mapping[Exporter, Sequence[Outcome]]
"""By contestant, what each of its exports took; those at one index are from the same round."""


@dataclass(frozen=True, slots=True)
class Effort:
    """How thoroughly to measure.

    Args:
        rows: How many places there are.
        rounds: How often each contestant exports them all.
        allowance: By what factor a goal may be missed.
    """

    rows: int
    rounds: int
    allowance: float = 1.0


QUICK = Effort(rows=30_000, rounds=1, allowance=QUICK_ALLOWANCE)
FULL = Effort(rows=1_000_000, rounds=2)


@dataclass(frozen=True, slots=True)
class Suite:
    """A run of the benchmark."""

    effort: Effort

    async def run(self, say: Say) -> list[Row]:
        """Measure on every database that can be had, and say which cannot."""
        return await on_each([sqlite, postgres], self.measure, say)

    async def measure(self, place: Place, say: Say) -> list[Row]:
        """Measure on one empty database."""
        await fill(place.url, self.effort.rows)
        name = f"crud.{place.name}.export"
        say(f"{name}: {self.effort.rows:,} places, {self.effort.rounds} times each")
        outcomes = await self._outcomes(place)
        check(outcomes)
        rows: list[Row] = []
        for (ours, peer), ratio in WALL.items():
            mine, theirs = ([it.sample for it in outcomes[side]] for side in (ours, peer))
            goal = None if ratio is None else Goal(ratio, self.effort.allowance)
            rows += compare(f"{name}.{ours.form}", mine, PEERS[peer], theirs, Goals(wall=goal))
        return rows + self._memory(name, outcomes, say)

    async def _outcomes(self, place: Place) -> Outcomes:
        """Start all contestants side by side, and let them work in turns."""
        outcomes: dict[Exporter, list[Outcome]] = {it: [] for it in (OURS_NDJSON, OURS_CSV, *PEERS)}
        async with AsyncExitStack() as stack:
            workers: dict[Exporter, Worker] = {
                it: await stack.enter_async_context(worker(it.app, place.url)) for it in outcomes
            }
            for running in workers.values():
                await running.ready()
            for _ in range(self.effort.rounds):
                for exporter, running in workers.items():
                    outcomes[exporter].append(await running.export(f"/places.{exporter.form}"))
        return outcomes

    def _memory(self, name: str, outcomes: Outcomes, say: Say) -> list[Row]:
        """Rows in MB: by how much the contestants have grown at most in any of their exports."""
        growths = {who: [it.growth for it in of_one if it.growth is not None] for who, of_one in outcomes.items()}
        if not all(growths.values()):
            say(f"{name}: memory is left out, as this system does not tell its peak")
            return []
        rows: list[Row] = []
        for ours, peer in ((OURS_NDJSON, ORM_NDJSON), (OURS_CSV, ORM_CSV)):
            mine, theirs = [max(growths[ours])], [max(growths[peer])]
            rows.append(row(f"{name}.{ours.form}.rss_mb", mine, f"{MEMORY:.0f} MB", [MEMORY], Goal(1.0)))
            rows.append(row(f"{name}.{ours.form}.rss_mb", mine, PEERS[peer], theirs, None))
        return rows


def check(outcomes: Outcomes) -> None:
    """See that every contestant sends the same as all others of its form, each time.

    Raises:
        AssertionError: One does not, or has sent nothing.
    """
    for exporter, of_one in outcomes.items():
        expected = next(of_other[0].sent for other, of_other in outcomes.items() if other.form == exporter.form)
        for outcome in of_one:
            if outcome.status != 200 or not outcome.size or outcome.sent != expected:
                raise AssertionError(f"{exporter} has sent {outcome.sent}, not {expected}")
