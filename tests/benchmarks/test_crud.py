"""The crud benchmark on a few cities: the contestants do the same, and every comparison gives its rows."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from benchmarks._databases import Place
from benchmarks._driver import Call, running
from benchmarks._measure import Pace
from benchmarks._mode import Mode
from benchmarks.crud import OPERATIONS, Suite
from benchmarks.crud._contestant import Contestant, ListQuery
from benchmarks.crud._goals import CPU_GOALS, cpu_goal
from benchmarks.crud._handwritten import handwritten
from benchmarks.crud._handwritten_guarded import handwritten_guarded
from benchmarks.crud._operations import Create, Get, Operation, Page, Patch
from benchmarks.crud._ours import ours, ours_guarded
from benchmarks.crud._rows import fill
from benchmarks.crud._users import AUTHORIZATION, COUNTRY
from examples.atlas.data import CITIES_15000, Dataset, World

pytestmark = pytest.mark.anyio

SHORT = Mode(Pace(rounds=1, calls=1, seconds=1))
SMALL: list[Operation] = [replace(it, pages=1) if isinstance(it, Page) else it for it in OPERATIONS]


def world_of(*countries: str) -> World:
    """The world, with the cities of these countries."""
    world = CITIES_15000.read()
    return replace(world, cities=[city for city in world.cities if city["country_code"] in countries])


FRANCE = Dataset("France", lambda: world_of("FR"))


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """An empty SQLite file."""
    return Place("sqlite", f"sqlite+aiosqlite:///{tmp_path / 'bench.db'}")


Make = Callable[[str], Contestant]


@pytest.mark.parametrize(
    ("contestants", "title", "country"),
    [
        pytest.param((ours, handwritten), "", None, id="plain"),
        pytest.param((ours_guarded, handwritten_guarded), ".guarded", COUNTRY, id="with users and a scope"),
    ],
)
async def test_all_operations_are_compared_with_each_peer(
    place: Place, contestants: tuple[Make, ...], title: str, country: str | None
) -> None:
    """Our answers and rows equal the hand-written ones, and each operation has a CPU and a wall row."""
    said: list[str] = []
    suite = Suite(contestants, SHORT, title, SMALL, country, FRANCE)
    rows = await suite.measure(place, said.append)
    assert [row.name for row in rows] == [
        f"crud.sqlite{title}.{it.name}.{clock}" for it in OPERATIONS for clock in ("cpu", "wall")
    ]
    assert {row.peer for row in rows} == {"handwritten"}
    assert all(row.ours_us > 0 and row.peer_us > 0 and row.ratio > 0 for row in rows)
    assert [row.goal for row in rows[::2]] == [cpu_goal("sqlite", "handwritten", it.name) for it in OPERATIONS]
    assert not any(row.goal for row in rows[1::2])
    assert said == [f"crud.sqlite{title}.{it.name}" for it in OPERATIONS]


def test_every_goal_is_that_of_an_operation() -> None:
    """A database and a peer that have goals have one for each operation, and for nothing else."""
    names = {it.name for it in OPERATIONS}
    assert all(set(goals) == names for goals in CPU_GOALS.values())
    assert cpu_goal("sqlite", "fastcrud", "get") is None


@pytest.mark.parametrize("make", [ours_guarded, handwritten_guarded])
async def test_guarded_contestants_ask_who_it_is(place: Place, make: Make) -> None:
    """Nobody is let in without the token, and nobody sees another country's cities."""
    await fill(place.url, Dataset("France and Lima", lambda: world_of("FR", "PE")))
    contestant = make(place.url)
    lima = 3936456
    async with running(contestant.app) as app:
        target = contestant.list_target(ListQuery(limit=1))
        assert (await app.send(Call("GET", target))).status == 401
        assert (await app.send(Call("GET", target, headers=AUTHORIZATION))).status == 200
        assert (await app.send(Call("GET", f"/cities/{lima}", headers=AUTHORIZATION))).status == 404


async def test_what_a_contestant_lacks_is_left_out(place: Place) -> None:
    """A pair that cannot be compared gives no rows but a reason; an operation without pairs is not done."""

    def readable(url: str) -> Contestant:
        return replace(handwritten(url), name="readable", lacks={"create": "it only reads", "patch": "it only reads"})

    def creative(url: str) -> Contestant:
        return replace(handwritten(url), name="creative", lacks={"patch": "it forgot"})

    said: list[str] = []
    operations: list[Operation] = [Get(), Create(), Patch()]
    rows = await Suite((ours, readable, creative), SHORT, "", operations, None, FRANCE).measure(place, said.append)
    compared = [(row.name, row.peer) for row in rows if row.name.endswith(".cpu")]
    assert compared == [
        ("crud.sqlite.get.cpu", "readable"),
        ("crud.sqlite.get.cpu", "creative"),
        ("crud.sqlite.create.cpu", "creative"),
    ]
    assert said == [
        "crud.sqlite.create without readable: it only reads",
        "crud.sqlite.patch without readable: it only reads",
        "crud.sqlite.patch without creative: it forgot",
        "crud.sqlite.get",
        "crud.sqlite.create",
    ]


async def test_a_contestant_that_answers_something_else_is_not_measured(place: Place) -> None:
    """Speed counts only where the work is the same."""

    def forgetful(url: str) -> Contestant:
        def items(body: Any) -> list[dict[str, Any]]:
            return [{**item, "population": 0} for item in body]

        return replace(handwritten(url), name="forgetful", items=items)

    operations: list[Operation] = [Get(), Page("list2", ListQuery(limit=2))]
    suite = Suite((handwritten, forgetful), SHORT, "", operations, None, FRANCE)
    with pytest.raises(AssertionError, match=r"crud\.sqlite\.list2: .*forgetful"):
        await suite.measure(place, lambda _: None)
