"""A SELECT of 20 rows on SQLite: how often it takes a trip to the connection's thread."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.util import greenlet_spawn

from benchmarks._databases import sqlite
from benchmarks._work import Repeated
from fastapi_kit.db import Database

SELECT = text(
    "WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < 20) SELECT i, 'a text' FROM n"
)


@asynccontextmanager
async def trips() -> AsyncGenerator[Mapping[str, Repeated]]:
    """The kit's engine, and the one that SQLAlchemy makes by itself; both used in the same way."""
    async with sqlite() as place:
        database = Database(place.url)
        theirs = create_async_engine(place.url, isolation_level="AUTOCOMMIT", skip_autocommit_rollback=True)
        try:
            yield {
                "one trip": _select(database.connections.resting),
                "aiosqlite as SQLAlchemy uses it": _select(theirs),
            }
        finally:
            await theirs.dispose()
            await database.dispose()


def _select(engine: AsyncEngine) -> Repeated:
    def select() -> None:
        with engine.sync_engine.connect() as connection:
            assert len(connection.execute(SELECT).all()) == 20

    async def run() -> None:
        await greenlet_spawn(select)

    return Repeated(run)
