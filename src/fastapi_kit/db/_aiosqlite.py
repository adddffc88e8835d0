"""aiosqlite with one trip to its thread for each statement.

SQLAlchemy makes a cursor, executes, fetches and closes it, each of which is a trip to the connection's thread: four of
them cost several times what SQLite needs for a small query. Here the cursor is made on the trip that executes, and the
first rows come back with it. The rest of a longer result is fetched as it is asked for, so a stream stays a stream.
"""

import sqlite3
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from typing import Any, Self, cast

import aiosqlite

FETCHED_AT_ONCE = 1_000
"""Rows that come back with the execution; no list of a router is longer."""


def connect(database: str, **options: Any) -> "Connection":
    """A connection that opens when it is awaited; arguments are those of `sqlite3.connect`."""
    return Connection(lambda: sqlite3.connect(database, **options))


class Connection(aiosqlite.Connection):
    """aiosqlite's, with another cursor.

    Args:
        connector: Opens the connection beneath, on its thread.
    """

    def __init__(self, connector: Callable[[], sqlite3.Connection]) -> None:
        super().__init__(connector, iter_chunk_size=FETCHED_AT_ONCE)
        self._thread.daemon = True  # as SQLAlchemy does: a connection left open keeps no process alive

    def cursor(self) -> "Cursor":  # type: ignore[override]
        """A cursor that takes no trip to be made."""
        return Cursor(self)

    async def call(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """Call a function on the connection's thread."""
        return await cast("Any", self)._execute(function, *arguments)  # noqa: SLF001 - its own, without annotations

    @property
    def driver(self) -> sqlite3.Connection:
        """The connection beneath, for use on its thread.

        Raises:
            ValueError: It is closed.
        """
        return self._conn


class Cursor:
    """A cursor as SQLAlchemy wants one (PEP 249 with `await`): for one statement at a time."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._cursor: sqlite3.Cursor | None = None
        self._fetched: deque[Any] = deque()
        self._has_more = False
        self.arraysize = 1

    async def __aenter__(self) -> Self:
        """Itself."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close it."""
        await self.close()

    @property
    def description(self) -> Any:
        """The columns of the result; `None` if the statement has none."""
        return self._cursor.description if self._cursor else None

    @property
    def rowcount(self) -> int:
        """Rows that the statement has written; -1 if it writes none."""
        return self._cursor.rowcount if self._cursor else -1

    @property
    def lastrowid(self) -> int | None:
        """The key of the row that was inserted last."""
        return self._cursor.lastrowid if self._cursor else None

    async def execute(self, sql: str, parameters: Sequence[Any] = ()) -> "Cursor":
        """Execute a statement."""
        await self._run("execute", sql, parameters)
        return self

    async def executemany(self, sql: str, parameters: Iterable[Sequence[Any]]) -> "Cursor":
        """Execute a statement for each of many rows."""
        await self._run("executemany", sql, parameters)
        return self

    async def _run(self, method: str, sql: str, parameters: Iterable[Any]) -> None:
        await self.close()

        def run() -> tuple[sqlite3.Cursor, list[Any]]:
            cursor = self._connection.driver.cursor()
            getattr(cursor, method)(sql, parameters)
            return cursor, cursor.fetchmany(FETCHED_AT_ONCE) if cursor.description else []

        self._cursor, rows = await self._connection.call(run)
        self._has_more = len(rows) == FETCHED_AT_ONCE
        self._take(rows)

    async def fetchone(self) -> Any:
        """The next row, or `None`."""
        rows = await self.fetchmany(1)
        return rows[0] if rows else None

    async def fetchmany(self, size: int | None = None) -> list[Any]:
        """The next rows, `arraysize` of them by default."""
        wanted = self.arraysize if size is None else size
        if len(self._fetched) < wanted and self._has_more:
            missing = max(wanted - len(self._fetched), FETCHED_AT_ONCE)
            rows = await self._connection.call(self._executed.fetchmany, missing)
            self._has_more = len(rows) == missing
            self._take(rows)
        return [self._fetched.popleft() for _ in range(min(wanted, len(self._fetched)))]

    async def fetchall(self) -> list[Any]:
        """All rows that are left."""
        if self._has_more:
            self._has_more = False
            self._take(await self._connection.call(self._executed.fetchall))
        rows = list(self._fetched)
        self._fetched.clear()
        return rows

    async def __aiter__(self) -> AsyncIterator[Any]:
        """The rows that are left, a few at a time."""
        while rows := await self.fetchmany(FETCHED_AT_ONCE):
            for row in rows:
                yield row

    async def close(self) -> None:
        """Let go of a result that was not read to its end; one that was, SQLite has let go of by itself."""
        self._fetched.clear()
        if self._has_more:
            self._has_more = False
            await self._connection.call(self._executed.close)

    def _take(self, rows: list[Any]) -> None:
        """Empty `rows`: the thread holds on to the last thing that it gave, until it gives another."""
        self._fetched.extend(rows)
        rows.clear()

    @property
    def _executed(self) -> sqlite3.Cursor:
        assert self._cursor is not None  # noqa: S101 - there is a result to go on with
        return self._cursor
