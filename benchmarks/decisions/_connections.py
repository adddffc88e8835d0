"""One SELECT on PostgreSQL: how its connection comes to be in AUTOCOMMIT, and by which API it is used."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager

from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.util import greenlet_spawn

from benchmarks._databases import postgres
from benchmarks._work import Repeated
from fastapi_kit.db import Database

SELECT = text("SELECT 1")


@asynccontextmanager
async def connections() -> AsyncGenerator[Mapping[str, Repeated]]:
    """The kit's way; switching a connection to AUTOCOMMIT at each use; `AsyncConnection`; a plain transaction."""
    async with postgres() as place:
        database = Database(place.url)
        engine = create_async_engine(place.url, skip_autocommit_rollback=True)
        switched = engine.execution_options(isolation_level="AUTOCOMMIT")

        async def resting() -> None:
            await database.run(lambda connection: connection.execute(SELECT).scalar_one())

        def select_switched() -> None:
            with switched.sync_engine.connect() as connection:
                connection.execute(SELECT).scalar_one()

        async def switching() -> None:
            await greenlet_spawn(select_switched)

        async def by_async_connection() -> None:
            async with switched.connect() as connection:
                (await connection.execute(SELECT)).scalar_one()

        async def in_transaction() -> None:
            async with engine.connect() as connection:
                (await connection.execute(SELECT)).scalar_one()

        try:
            yield {
                "AUTOCOMMIT at rest, one greenlet": Repeated(resting),
                "AUTOCOMMIT by a switch, one greenlet": Repeated(switching),
                "AUTOCOMMIT by a switch, AsyncConnection": Repeated(by_async_connection),
                "BEGIN and ROLLBACK, AsyncConnection": Repeated(in_transaction),
            }
        finally:
            await engine.dispose()
            await database.dispose()
