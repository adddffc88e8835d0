"""Test mode: one connection, one outer transaction, and a SAVEPOINT wherever the app would have a transaction.

Theory of operation. The test's connection stays in the driver's AUTOCOMMIT mode and is put into a transaction by a plain
BEGIN, of which driver and SQLAlchemy know nothing. A second engine has a pool of just this connection; whenever
SQLAlchemy begins, commits or rolls back on it, a SAVEPOINT is set, released or rolled back to. The pool of one is the
lock: two pieces of work never interleave their savepoints.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from sqlalchemy import AsyncAdaptedQueuePool, Connection, event
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from fastapi_kit.db._engine import Connections

_NAME = "fastapi_kit"
_TIMEOUT = 2.0
"""Seconds until work that waits for the one connection is told that it waits for itself."""


@asynccontextmanager
async def pinned(resting: AsyncEngine) -> AsyncIterator[Connections]:
    """Take one connection of `resting` for everything, and roll back all that was done on it."""
    async with resting.connect() as connection:
        await connection.exec_driver_sql("BEGIN")
        try:
            raw = await connection.get_raw_connection()
            engine = create_async_engine(
                resting.url,
                creator=lambda: raw.dbapi_connection,
                isolation_level="AUTOCOMMIT",
                skip_autocommit_rollback=True,
                poolclass=AsyncAdaptedQueuePool,
                pool_size=1,
                max_overflow=0,
                pool_timeout=_TIMEOUT,
            )
            event.listen(engine.sync_engine, "begin", _begin)
            event.listen(engine.sync_engine, "commit", _commit)
            event.listen(engine.sync_engine, "rollback", _rollback)
            yield Connections(engine, single=engine.sync_engine.begin)
        finally:
            await connection.exec_driver_sql("ROLLBACK")


def _begin(connection: Connection) -> None:
    connection.exec_driver_sql(f"SAVEPOINT {_NAME}")


def _commit(connection: Connection) -> None:
    connection.exec_driver_sql(f"RELEASE SAVEPOINT {_NAME}")


def _rollback(connection: Connection) -> None:
    connection.exec_driver_sql(f"ROLLBACK TO SAVEPOINT {_NAME}")
    connection.exec_driver_sql(f"RELEASE SAVEPOINT {_NAME}")
