"""The benchmark of very many places on a few: both sides of each variant show the same, and give their rows."""

from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks._databases import Place, postgres, sqlite
from benchmarks._driver import running
from benchmarks._measure import Pace
from benchmarks._mode import Mode
from benchmarks.places import Suite
from benchmarks.places._ours import filtering, plain
from benchmarks.places._rows import fill
from benchmarks.places._suite import check
from benchmarks.places._variants import APPS, Side, Variant, counts, includes
from tests.services import require

pytestmark = pytest.mark.anyio

SHORT = Mode(Pace(rounds=1, calls=1, seconds=1))


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """An empty SQLite file."""
    return Place("sqlite", f"sqlite+aiosqlite:///{tmp_path / 'bench.db'}")


@pytest.mark.parametrize("kind", ["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
async def test_every_variant_is_measured(kind: str) -> None:
    """The database makes the rows, a deep page by cursor is that by number, and each comparison gives two rows."""
    if kind == "postgres":
        require("postgres")
    said: list[str] = []
    async with {"sqlite": sqlite, "postgres": postgres}[kind]() as place:
        rows = await Suite(SHORT, rows=1_000).measure(place, said.append)
    compared = [
        *(("depth.by_key", "first page"), ("depth.by_score", "first page")),
        *((it.name, it.peer) for it in (*counts(), *includes())),
        ("filters.unused", "no filters"),
    ]
    assert [(row.name, row.peer) for row in rows] == [
        (f"crud.{kind}.{name}.{clock}", peer) for name, peer in compared for clock in ("cpu", "wall")
    ]
    assert all(row.ours_us > 0 and row.peer_us > 0 and row.ratio > 0 for row in rows)
    goals = {(row.name.removeprefix(f"crud.{kind}."), row.peer): row.goal for row in rows}
    assert goals["depth.by_score.wall", "first page"] == 1.5
    assert goals["filters.unused.cpu", "no filters"] == 1.02
    assert goals["count.capped.wall", "exact"] is None  # which it is asked only where there is much to count
    assert said == [
        f"crud.{kind}: making 1,000 places",
        *(f"crud.{kind}.{name} beside {peer}" for name, peer in compared),
    ]


@pytest.mark.parametrize(
    ("theirs", "equal"),
    [
        pytest.param("/places?limit=3&count=exact&page=2", ("items",), id="other rows"),
        pytest.param("/places?limit=3&count=none", ("items", "total"), id="no total"),
        pytest.param("/places?limit=2&count=exact", ("items",), id="fewer rows"),
    ],
)
async def test_sides_that_show_something_else_are_not_measured(
    place: Place, theirs: str, equal: tuple[str, ...]
) -> None:
    """Speed counts only where the work is the same."""
    await fill(place.url, 10)
    variant = Variant("it", Side("plain", "/places?limit=3&count=exact"), "peer", Side("plain", theirs), equal=equal)
    async with running(APPS["plain"](place.url)) as app:
        await check(replace(variant, theirs=variant.ours), {"plain": app})
        with pytest.raises(AssertionError, match="it: "):
            await check(variant, {"plain": app})


def test_a_hundred_filters_are_declared_and_none() -> None:
    """What is called "unused filters" is there to be used."""
    declared = [
        {it["name"] for it in make("sqlite://").openapi()["paths"]["/places"]["get"]["parameters"]}
        for make in (filtering, plain)
    ]
    assert len(declared[0] - declared[1]) >= 100
    assert declared[1] == {"limit", "page", "cursor", "count", "sort"}
