"""The crud benchmark on a few cities: the contestants do the same, and every comparison gives its rows."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from benchmarks._databases import Place
from benchmarks._measure import Pace
from benchmarks.crud import OPERATIONS, Mode, Suite
from benchmarks.crud._contestant import Contestant, ListQuery
from benchmarks.crud._handwritten import handwritten
from benchmarks.crud._operations import Get, Operation, Page
from benchmarks.crud._ours import ours
from examples.atlas.data import CITIES_15000, Dataset, World

pytestmark = pytest.mark.anyio

SHORT = Mode(Pace(rounds=1, calls=1, seconds=1))
SMALL: list[Operation] = [replace(it, pages=1) if isinstance(it, Page) else it for it in OPERATIONS]


def one_country() -> World:
    """France, with all its cities."""
    world = CITIES_15000.read()
    return replace(world, cities=[city for city in world.cities if city["country_code"] == "FR"])


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """An empty SQLite file."""
    return Place("sqlite", f"sqlite+aiosqlite:///{tmp_path / 'bench.db'}")


async def test_all_operations_are_compared_with_each_peer(place: Place) -> None:
    """Our answers and rows equal the hand-written ones, and each operation has a CPU and a wall row."""
    said: list[str] = []
    suite = Suite((ours, handwritten), SHORT, SMALL, Dataset("one country", one_country))
    rows = await suite.measure(place, said.append)
    assert [row.name for row in rows] == [
        f"crud.sqlite.{it.name}.{clock}" for it in OPERATIONS for clock in ("cpu", "wall")
    ]
    assert {row.peer for row in rows} == {"handwritten"}
    assert all(row.ours_us > 0 and row.peer_us > 0 and row.ratio > 0 and row.goal is None for row in rows)
    assert said == [f"crud.sqlite.{it.name}" for it in OPERATIONS]


async def test_a_contestant_that_answers_something_else_is_not_measured(place: Place) -> None:
    """Speed counts only where the work is the same."""

    def forgetful(url: str) -> Contestant:
        def items(body: Any) -> list[dict[str, Any]]:
            return [{**item, "population": 0} for item in body]

        return replace(handwritten(url), name="forgetful", items=items)

    operations: list[Operation] = [Get(), Page("list2", ListQuery(limit=2))]
    suite = Suite((handwritten, forgetful), SHORT, operations, Dataset("one country", one_country))
    with pytest.raises(AssertionError, match=r"crud\.sqlite\.list2: .*forgetful"):
        await suite.measure(place, lambda _: None)
