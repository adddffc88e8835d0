"""Seeding the atlas: once, all or nothing, on every database."""

import asyncio
from dataclasses import replace

import pytest
from sqlalchemy import func, select, text
from sqlalchemy.exc import IntegrityError

from examples.atlas.data import CITIES_15000, Dataset
from examples.atlas.models import FIRST_OWN_CITY, City, Continent, Country
from examples.atlas.seed import create_tables, seed
from fastapi_kit.db import Base, Database, Pool
from tests.examples.worlds import SMALL, two_countries

pytestmark = pytest.mark.anyio


async def rows_of(database: Database, model: type[Base]) -> int:
    """How many rows the table of `model` has."""
    async with database.session() as session:
        return await session.scalar(select(func.count()).select_from(model)) or 0


async def test_the_whole_world_is_consistent() -> None:
    """Every city's country and every country's continent is in the data, and keys are unique."""
    world = CITIES_15000.read()
    continents = {row["code"] for row in world.continents}
    countries = {row["code"] for row in world.countries}
    assert (len(continents), len(countries), len({row["id"] for row in world.cities})) == (7, 252, 34_006)
    assert {row["continent_code"] for row in world.countries} <= continents
    assert {row["country_code"] for row in world.cities} <= countries
    assert max(row["id"] for row in world.cities) < FIRST_OWN_CITY


async def test_a_second_seed_changes_nothing(database: Database) -> None:
    """What was seeded stays as its users have left it."""
    assert await seed(database, SMALL)
    async with database.session() as session:
        await session.execute(text("DELETE FROM cities WHERE name = 'Paris'"))
        await session.commit()
    before = await rows_of(database, City)
    assert not await seed(database, SMALL)
    assert await rows_of(database, City) == before
    assert (await rows_of(database, Continent), await rows_of(database, Country)) == (7, 252)


async def test_an_interrupted_seed_leaves_nothing_and_is_done_again(database: Database) -> None:
    """A seed that fails on its last batch is no seed."""
    broken = two_countries()
    broken = replace(broken, cities=[*broken.cities, {**broken.cities[0], "id": 1, "country_code": "ZZ"}])
    with pytest.raises(IntegrityError):
        await seed(database, Dataset(SMALL.name, lambda: broken))
    assert await rows_of(database, Continent) == 0
    assert await seed(database, SMALL)
    assert await rows_of(database, City) == len(two_countries().cities)


async def test_starts_at_the_same_time_seed_once(database: Database) -> None:
    """However many processes start, one seeds, and the others find the world complete."""
    others = [Database(database.url, pool=Pool(timeout=60)) for _ in range(3)]
    outcomes = await asyncio.gather(*(seed(it, SMALL) for it in (database, *others)))
    assert sorted(outcomes) == [False, False, False, True]
    assert await rows_of(database, City) == len(two_countries().cities)
    for it in others:
        await it.dispose()


async def test_rows_that_are_there_are_kept(database: Database) -> None:
    """A larger dataset adds to a smaller one and to what users have made."""
    await create_tables(database)
    async with database.session() as session:
        session.add(Continent(code="EU", name="Europa", population=1))
        await session.commit()
    await seed(database, SMALL)
    async with database.session() as session:
        assert await session.scalar(select(Continent.name).where(Continent.code == "EU")) == "Europa"
        assert await session.scalar(select(func.count()).select_from(Continent)) == 7


async def test_progress_is_told_up_to_the_last_row(database: Database) -> None:
    """The bar of each table fills."""
    told: dict[str, tuple[int, int]] = {}
    await seed(database, SMALL, lambda table, done, total: told.update({table: (done, total)}))
    cities = len(two_countries().cities)
    assert told == {"continents": (7, 7), "countries": (252, 252), "cities": (cities, cities)}
