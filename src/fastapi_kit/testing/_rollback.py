"""Per-test rollback: one connection, one outer transaction, and a SAVEPOINT wherever the app has a transaction.

Theory of operation. The test's connection stays in the driver's AUTOCOMMIT mode and is put into a transaction by a
plain BEGIN, of which driver and SQLAlchemy know nothing. A second engine has a pool of just this connection; whenever
SQLAlchemy begins, commits or rolls back on it, a SAVEPOINT is set, released or rolled back to, and what SQLAlchemy then
tells the driver goes nowhere. The pool of one is the lock: two pieces of work never interleave their savepoints.
"""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

from sqlalchemy import AsyncAdaptedQueuePool, Connection, event
from sqlalchemy.ext.asyncio import create_async_engine

from fastapi_kit.db import Connections, Database

_SAVEPOINT = "fastapi_kit"
_TIMEOUT = 2.0
"""Seconds until work that waits for the one connection is told that it waits for itself."""


@asynccontextmanager
async def rolled_back(database: Database) -> AsyncGenerator[None]:
    """Until the end, run everything of `database` on one connection, in one transaction, and then roll that back.

    Sessions and single statements each get a SAVEPOINT in place of their transaction, so a commit in the tested code is
    real for everything that follows, and gone after the test. The connection serves one of them at a time: work that
    needs two connections at once fails with a pool time-out (a 503 of the app) after 2 seconds, as it could dead-lock
    in production. Constraints that are checked at COMMIT (deferred ones) go unchecked, as no COMMIT is made.

        async with rolled_back(database), client(app) as api:
            await api.post("/books", json={"title": "gone after this"})
    """
    replaced = database.connections
    async with replaced.resting.connect() as connection:
        await connection.exec_driver_sql("BEGIN")
        raw = await connection.get_raw_connection()
        engine = create_async_engine(
            replaced.resting.url,
            creator=lambda: _Held(raw.dbapi_connection),
            poolclass=AsyncAdaptedQueuePool,
            pool_size=1,
            max_overflow=0,
            pool_timeout=_TIMEOUT,
        )
        event.listen(engine.sync_engine, "begin", _begin)
        event.listen(engine.sync_engine, "commit", _commit)
        event.listen(engine.sync_engine, "rollback", _rollback)
        database.connections = Connections(resting=engine, engine=engine, single=engine.sync_engine.begin)
        try:
            yield
        finally:
            database.connections = replaced
            await connection.exec_driver_sql("ROLLBACK")


class _Held:
    """A driver's connection that neither commits nor rolls back nor closes, as that is not for its users to do."""

    def __init__(self, connection: Any) -> None:
        object.__setattr__(self, "_held", connection)

    def __getattr__(self, name: str) -> Any:
        return getattr(object.__getattribute__(self, "_held"), name)

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(object.__getattribute__(self, "_held"), name, value)

    def commit(self) -> None:
        """Leave the outer transaction open."""

    rollback = close = terminate = commit


def _begin(connection: Connection) -> None:
    connection.exec_driver_sql(f"SAVEPOINT {_SAVEPOINT}")


def _commit(connection: Connection) -> None:
    connection.exec_driver_sql(f"RELEASE SAVEPOINT {_SAVEPOINT}")


def _rollback(connection: Connection) -> None:
    connection.exec_driver_sql(f"ROLLBACK TO SAVEPOINT {_SAVEPOINT}")
    connection.exec_driver_sql(f"RELEASE SAVEPOINT {_SAVEPOINT}")
