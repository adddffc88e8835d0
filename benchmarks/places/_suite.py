"""Each variant on each database: first that both sides show the same, then what it costs them."""

import json
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

from benchmarks._databases import Place, on_each, postgres, sqlite
from benchmarks._driver import Call, InProcess, running
from benchmarks._measure import Pace, frozen_heap, interleave
from benchmarks._mode import QUICK_ALLOWANCE, Mode, Say
from benchmarks._report import Goal, Goals, Row, compare
from benchmarks._work import sending

from ._rows import fill
from ._variants import APPS, BY_SCORE, LIST, UNUSED_FILTERS, Side, Variant, counts, depth, includes

QUICK = Mode(Pace(rounds=24, calls=10, seconds=0.25), QUICK_ALLOWANCE)
FULL = Mode(Pace(rounds=60, calls=20, seconds=20))
MANY = 1_000_000
PAGE = 20
"""Rows on a page of the depth variants."""

Apps = Mapping[str, InProcess]


@dataclass(frozen=True, slots=True)
class Suite:
    """A run of the benchmark.

    Args:
        mode: How thoroughly to measure.
        rows: How many places there are.
    """

    mode: Mode
    rows: int = MANY

    async def run(self, say: Say) -> list[Row]:
        """Measure on every database that can be had, and say which cannot."""
        return await on_each([sqlite, postgres], self.measure, say)

    async def measure(self, place: Place, say: Say) -> list[Row]:
        """Measure on one empty database."""
        say(f"crud.{place.name}: making {self.rows:,} places")
        await fill(place.url, self.rows)
        rows: list[Row] = []
        async with _started(place.url) as apps:
            variants = await self._variants(apps)
            for variant in variants:
                await check(variant, apps)
            for variant in variants:
                say(f"crud.{place.name}.{variant.name} beside {variant.peer}")
                rows += await self._measure(place, variant, apps)
        return rows

    async def _variants(self, apps: Apps) -> list[Variant]:
        page = self.rows * 9 // 10 // PAGE
        deep: list[Variant] = []
        for order, sort in (("by_key", ""), ("by_score", BY_SCORE)):
            before = await _body(apps, Side("plain", f"{LIST}{sort}&page={page}"))
            deep.append(depth(order, sort, page + 1, before["next_cursor"]))
        return [*deep, *counts(), *includes(), UNUSED_FILTERS]

    async def _measure(self, place: Place, variant: Variant, apps: Apps) -> list[Row]:
        pace = replace(
            self.mode.pace,
            rounds=self.mode.pace.rounds * variant.weight,
            seconds=self.mode.pace.seconds * variant.weight,
            calls=variant.calls or self.mode.pace.calls,
        )
        sides = {"ours": variant.ours, "theirs": variant.theirs}
        contenders = {name: await sending(apps[it.app], Call("GET", it.target)) for name, it in sides.items()}
        with frozen_heap():
            await interleave(contenders, replace(pace, rounds=2))  # warm
            samples = await interleave(contenders, pace)
        goals = Goals(*(self._goal(place, variant, ratio) for ratio in (variant.cpu, variant.wall)))
        return compare(f"crud.{place.name}.{variant.name}", samples["ours"], variant.peer, samples["theirs"], goals)

    def _goal(self, place: Place, variant: Variant, ratio: float | None) -> Goal | None:
        if ratio is None or place.name not in variant.goals_on or (variant.of_many and self.rows < MANY):
            return None
        return Goal(ratio, self.mode.allowance)


async def check(variant: Variant, apps: Apps) -> None:
    """See that our side of a variant shows what it has to.

    Raises:
        AssertionError: It shows something else, or nothing.
    """
    ours, other = [await _body(apps, it) for it in (variant.ours, variant.same_as or variant.theirs)]
    for member in variant.equal:
        shown = _common(ours[member], other[member]) if member == "items" else ours[member]
        if not shown or shown != other[member]:
            raise AssertionError(f"{variant.name}: {member} is {shown}, beside {variant.peer} {other[member]}")


def _common(ours: Sequence[Mapping[str, Any]], other: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Our rows, without the members that the other's do not have."""
    return [{name: row[name] for name in row if name in other[0]} for row in ours]


async def _body(apps: Apps, side: Side) -> Any:
    answer = await apps[side.app].send(Call("GET", side.target))
    if answer.status != 200:
        raise AssertionError(f"{side} answered {answer}")
    body: Any = json.loads(answer.body)
    return {"items": body} if answer.body.startswith(b"[") else body


@asynccontextmanager
async def _started(url: str) -> AsyncGenerator[Apps]:
    """Start every app on the database."""
    async with AsyncExitStack() as stack:
        yield {name: await stack.enter_async_context(running(make(url))) for name, make in APPS.items()}
