"""`Database`: single statements, sessions, and what happens when it cannot be reached."""

import sqlite3
import sys
import time
from contextlib import closing
from functools import partial
from pathlib import Path

import anyio
import pytest
from fastapi import FastAPI
from sqlalchemy import URL, Connection, text
from sqlalchemy.exc import DBAPIError, OperationalError

from fastapi_kit.db import Database, Pool, SessionDep, as_problem
from fastapi_kit.lifespan import compose
from fastapi_kit.testing import client

pytestmark = pytest.mark.anyio


async def test_a_single_statement_is_its_own_transaction(database: Database) -> None:
    """What one statement did is there for the next, on whatever connection."""
    await database.run(lambda connection: connection.exec_driver_sql("CREATE TABLE t (n INTEGER)"))
    await database.run(lambda connection: connection.exec_driver_sql("INSERT INTO t VALUES (1)"))
    async with database.session() as session:
        assert (await session.execute(text("SELECT n FROM t"))).scalars().all() == [1]


async def test_a_session_that_is_not_committed_did_nothing(database: Database) -> None:
    """Leaving a session rolls it back, and the connection serves single statements as before."""
    await database.run(lambda connection: connection.exec_driver_sql("CREATE TABLE t (n INTEGER)"))
    async with database.session() as session:
        await session.execute(text("INSERT INTO t VALUES (1)"))
    count = await database.run(lambda connection: connection.exec_driver_sql("SELECT count(*) FROM t").scalar_one())
    assert count == 0
    await database.run(lambda connection: connection.exec_driver_sql("INSERT INTO t VALUES (2)"))
    async with database.engine.connect() as connection:
        assert (await connection.execute(text("SELECT n FROM t"))).scalars().all() == [2]


async def test_memory_lives_as_long_as_the_database() -> None:
    """A SQLite database in memory is one database for sessions and single statements."""
    database = Database("sqlite://")
    async with database.engine.begin() as connection:
        await connection.execute(text("CREATE TABLE t (n INTEGER)"))
    await database.run(lambda connection: connection.exec_driver_sql("INSERT INTO t VALUES (1)"))
    async with database.session() as session:
        assert (await session.execute(text("SELECT count(*) FROM t"))).scalar_one() == 1
    await database.dispose()


def pragma_value(pragma: str, connection: Connection) -> object:
    """What a setting of the connection is."""
    return connection.exec_driver_sql(f"PRAGMA {pragma}").scalar_one()


async def test_sqlite_holds_foreign_keys_and_waits_for_writers(tmp_path: Path) -> None:
    """Connections are set up so that constraints hold and a second writer waits."""
    database = Database(f"sqlite:///{tmp_path / 'x.db'}")
    for pragma, expected in (("foreign_keys", 1), ("journal_mode", "wal"), ("busy_timeout", 5000)):
        assert await database.run(partial(pragma_value, pragma)) == expected
    await database.dispose()


async def test_a_new_sqlite_database_waits_for_its_first_writer(tmp_path: Path) -> None:
    """Where SQLite itself would fail at once, a connection waits until the file can be put into WAL mode."""
    path = tmp_path / "x.db"
    database = Database(f"sqlite:///{path}", pool=Pool(timeout=5))
    with closing(sqlite3.connect(path, isolation_level=None)) as writer:
        writer.execute("BEGIN IMMEDIATE")
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(database.ping)
            await anyio.sleep(0.2)
            writer.execute("COMMIT")
    assert await database.run(partial(pragma_value, "journal_mode")) == "wal"
    await database.dispose()


async def test_a_sqlite_database_whose_writer_never_ends_is_busy(tmp_path: Path) -> None:
    """The wait for WAL mode is bounded by the pool's time-out."""
    path = tmp_path / "x.db"
    database = Database(f"sqlite:///{path}", pool=Pool(timeout=0.2))
    with closing(sqlite3.connect(path, isolation_level=None)) as writer:
        writer.execute("BEGIN IMMEDIATE")
        with pytest.raises(OperationalError) as caught:
            await database.ping()
        problem = as_problem(caught.value)
    assert problem is not None
    assert problem.status_code == 503
    await database.dispose()


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://nobody:secret@127.0.0.1:9/none",
        "mysql://nobody:secret@127.0.0.1:9/none",
        "sqlite:////nowhere/to/be/found.db",
    ],
    ids=["postgres", "mysql", "sqlite"],
)
async def test_out_of_reach_is_a_503_in_bounded_time(url: str) -> None:
    """Whatever the driver raises, a client is told to come back, soon, and nothing about the server."""
    database = Database(url, pool=Pool(timeout=1))
    start = time.monotonic()
    with pytest.raises(DBAPIError) as caught:
        await database.ping()
    assert time.monotonic() - start < 3
    problem = as_problem(caught.value)
    assert problem is not None
    assert problem.status_code == 503
    assert problem.headers is not None
    assert "Retry-After" in problem.headers
    assert "secret" not in str(caught.value) + str(problem.detail)
    await database.dispose()
    await anyio.sleep(0.1)  # aiosqlite's thread reports its end to the loop, which must still be there


async def test_a_pool_without_a_free_connection_is_a_503(database_url: URL) -> None:
    """A request that waits in vain for a connection is given up after the pool's time-out."""
    database = Database(database_url, pool=Pool(size=1, timeout=0.2))
    app = FastAPI(lifespan=compose(database.lifespan))

    @app.get("/")
    async def endpoint(session: SessionDep) -> str:
        return str((await session.execute(text("SELECT 1"))).scalar_one())

    async with client(app) as api:
        async with database.engine.connect():
            assert (await api.get("/")).status_code == 503
        assert (await api.get("/")).status_code == 200


def test_a_missing_driver_names_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error for a driver that is not installed says what to install."""
    monkeypatch.setitem(sys.modules, "asyncpg", None)
    with pytest.raises(ImportError, match=r"fastapi-kit\[postgres\]"):
        Database("postgresql://h/d")
