"""The cursor that SQLAlchemy is given for SQLite: one trip to the connection's thread, and what DB-API promises."""

import sqlite3
from collections.abc import AsyncGenerator, Callable
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from fastapi_kit.db import Database, Pool
from fastapi_kit.db._aiosqlite import FETCHED_AT_ONCE, Connection, Cursor, connect

pytestmark = pytest.mark.anyio

COUNT = "WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < ?) SELECT i FROM n"


class Watched(Connection):
    """Counts the trips."""

    trips = 0

    async def call(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """Count, and call."""
        self.trips += 1
        return await super().call(function, *arguments)


@pytest.fixture
async def connection(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncGenerator[Watched]:
    """An open connection."""
    monkeypatch.setattr("fastapi_kit.db._aiosqlite.Connection", Watched)
    opened = await connect(str(tmp_path / "test.db"), isolation_level=None)
    assert isinstance(opened, Watched)
    yield opened
    await opened.close()


@pytest.mark.parametrize(
    ("rows", "trips"), [(0, 1), (1, 1), (FETCHED_AT_ONCE - 1, 1), (FETCHED_AT_ONCE, 2), (3 * FETCHED_AT_ONCE + 1, 2)]
)
async def test_all_rows(connection: Watched, rows: int, trips: int) -> None:
    """All rows come, in order; those of a short result with the execution."""
    cursor = connection.cursor()
    await cursor.execute(f"{COUNT} LIMIT ?", (max(rows, 1), rows))
    assert await cursor.fetchall() == [(number,) for number in range(1, rows + 1)]
    assert await cursor.fetchall() == []
    await cursor.close()
    assert connection.trips == trips


@pytest.mark.parametrize("size", [1, 7, FETCHED_AT_ONCE, FETCHED_AT_ONCE + 1])
async def test_some_rows_at_a_time(connection: Watched, size: int) -> None:
    """Whatever the size, each row comes once, in order, and then no more."""
    cursor = connection.cursor()
    await cursor.execute(COUNT, (2 * FETCHED_AT_ONCE + 5,))
    found: list[Any] = []
    while rows := await cursor.fetchmany(size):
        assert len(rows) == size or len(found) + len(rows) == 2 * FETCHED_AT_ONCE + 5
        found += rows
    assert found == [(number,) for number in range(1, 2 * FETCHED_AT_ONCE + 6)]
    assert await cursor.fetchone() is None


async def test_a_mixture(connection: Watched) -> None:
    """One row, some rows and the rest, in any order of calls."""
    async with connection.cursor() as cursor:
        await cursor.execute(COUNT, (2_500,))
        assert await cursor.fetchone() == (1,)
        cursor.arraysize = 3
        assert await cursor.fetchmany() == [(2,), (3,), (4,)]
        iterated = [row async for row in cursor]
        assert iterated == [(number,) for number in range(5, 2_501)]


async def test_a_long_result_is_let_go(connection: Watched) -> None:
    """A result that was not read to its end holds no lock once it is closed: the table can be dropped."""
    await connection.execute("CREATE TABLE t AS " + COUNT.replace("?", "5000"))
    cursor = connection.cursor()
    await cursor.execute("SELECT i FROM t")
    assert await cursor.fetchone() == (1,)
    await cursor.close()
    assert await cursor.fetchall() == []
    await connection.execute("DROP TABLE t")


async def test_what_a_write_tells(connection: Watched) -> None:
    """Rows written, the last key, and no description; of a failure nothing is left."""
    cursor: Cursor = connection.cursor()
    assert (cursor.description, cursor.rowcount, cursor.lastrowid) == (None, -1, None)
    await cursor.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, n INTEGER UNIQUE)")
    await cursor.executemany("INSERT INTO t (n) VALUES (?)", [(1,), (2,), (3,)])
    assert (cursor.description, cursor.rowcount) == (None, 3)
    await cursor.execute("INSERT INTO t (n) VALUES (4)")
    assert cursor.lastrowid == 4
    await cursor.execute("UPDATE t SET n = n + 10 RETURNING id")
    assert await cursor.fetchall() == [(1,), (2,), (3,), (4,)]
    with pytest.raises(sqlite3.IntegrityError, match="UNIQUE"):
        await cursor.execute("INSERT INTO t (n) VALUES (11)")


async def test_the_thread_keeps_no_rows(connection: Watched) -> None:
    """What was read is gone with who has read it, although the thread remembers the last thing that it gave."""
    gone: list[bool] = []

    class Row(tuple[Any, ...]):  # noqa: SLOT001
        """A row that tells its end."""

        def __del__(self) -> None:
            gone.append(True)

    connection.row_factory = lambda _, values: Row(values)  # type: ignore[assignment] # of typeshed: a class
    cursor = connection.cursor()
    await cursor.execute(COUNT, (5,))
    assert len(await cursor.fetchall()) == 5
    assert len(gone) == 5


async def test_a_failure_holds_no_lock(tmp_path: Path) -> None:
    """A write that fails as the first thing on its connection does not keep others from writing."""
    one, other = (Database(f"sqlite:///{tmp_path / 'test.db'}", pool=Pool(timeout=0.1)) for _ in range(2))
    await one.run(lambda opened: opened.exec_driver_sql("CREATE TABLE t (n INTEGER UNIQUE)"))
    with pytest.raises(IntegrityError):
        await other.run(lambda opened: opened.exec_driver_sql("INSERT INTO t VALUES (1), (1) RETURNING n"))
    await one.run(lambda opened: opened.exec_driver_sql("INSERT INTO t VALUES (2)"))
    await one.dispose()
    await other.dispose()


async def test_a_closed_connection(tmp_path: Path) -> None:
    """What comes after the end is refused at once, in the words that SQLAlchemy knows."""
    opened = connect(str(tmp_path / "test.db"))
    await opened
    cursor = opened.cursor()
    await opened.close()
    with pytest.raises(ValueError, match="closed"):
        await cursor.execute("SELECT 1")


async def test_streams_stay_streams(tmp_path: Path) -> None:
    """SQLAlchemy's `stream` reads a part, and lets go of the rest."""
    database = Database(f"sqlite:///{tmp_path / 'test.db'}")
    async with database.engine.connect() as opened:
        result = await opened.stream(sa.text(COUNT.replace("?", "1000000000000")))
        first = [row.i async for row in _some(result, 2_345)]
        await result.close()
    assert first == list(range(1, 2_346))
    await database.dispose()


async def _some(result: Any, count: int) -> AsyncGenerator[Any]:
    async for row in result:
        yield row
        count -= 1
        if not count:
            return
