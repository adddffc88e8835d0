"""The benchmark's own hands in the database: it prepares rows before the clock starts and looks at what was stored."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import delete, insert, select, text
from sqlalchemy.ext.asyncio import AsyncEngine

from examples.atlas.data import Dataset
from examples.atlas.models import FIRST_OWN_CITY, City
from examples.atlas.seed import seed
from fastapi_kit.db import Database

from ._contestant import engine_for

CITY: dict[str, Any] = {
    "name": "Bénchville-sur-Mer",
    "country_code": "FR",
    "admin1": "93",
    "population": 1,
    "latitude": 43.25,
    "longitude": 5.375,
    "timezone": "Europe/Paris",
}
"""A city as a client sends it; so small that no list of the benchmark shows it."""

PREPARED = 2 * FIRST_OWN_CITY
"""Cities made here are numbered from this, so the API never takes their numbers."""


async def fill(url: str, dataset: Dataset) -> None:
    """Load the atlas into an empty database."""
    database = Database(url)
    await seed(database, dataset)
    async with database.engine.connect() as connection:
        await connection.execute(text("ANALYZE"))
        await connection.commit()
    await database.dispose()


class Cities:
    """The table `cities`, beside the contestants."""

    def __init__(self, url: str) -> None:
        self._engine: AsyncEngine = engine_for(url)
        self.ids: Sequence[int] = ()
        """The keys of the real cities to ask for, in ascending order."""

    async def load_ids(self, country: str | None) -> None:
        """Read `ids`, of one country or of all."""
        keys = select(City.id).order_by(City.id)
        if country is not None:
            keys = keys.where(City.country_code == country)
        async with self._engine.connect() as connection:
            self.ids = (await connection.execute(keys)).scalars().all()

    async def prepare(self, count: int) -> range:
        """Leave exactly `count` cities beside the real ones, and give their keys."""
        keys = range(PREPARED, PREPARED + count)
        async with self._engine.begin() as connection:
            await connection.execute(delete(City).where(City.name == CITY["name"]))
            if count:
                await connection.execute(insert(City), [{**CITY, "id": key} for key in keys])
        return keys

    async def stored(self, key: int) -> dict[str, Any] | None:
        """The row with this key, as it is committed."""
        async with self._engine.connect() as connection:
            row = (await connection.execute(select(City.__table__).where(City.id == key))).mappings().first()
        return None if row is None else dict(row)

    async def newest(self) -> dict[str, Any]:
        """The row with the highest key."""
        statement = select(City.__table__).order_by(City.id.desc()).limit(1)
        async with self._engine.connect() as connection:
            return dict((await connection.execute(statement)).mappings().one())

    async def aclose(self) -> None:
        """Close the connections."""
        await self._engine.dispose()
