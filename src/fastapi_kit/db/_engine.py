"""How each database is connected to: drivers, pools and the statements that open a connection or a transaction.

Theory of operation. One engine and one pool serve two ways of working. Connections rest in AUTOCOMMIT, so that a single
statement is its own transaction and costs one round trip. A session asks for a real isolation level on the same
connection, which is switched back when it returns to the pool. The mode at rest is the one that need not be switched
to, so it is the one of single statements; a session's BEGIN and COMMIT cost far more than the switch.
"""

import asyncio
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, Literal, cast

from sqlalchemy import AsyncAdaptedQueuePool, Connection, event
from sqlalchemy.engine import URL
from sqlalchemy.engine.interfaces import AdaptedConnection, DBAPIConnection, Dialect, ExceptionContext
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.pool import ConnectionPoolEntry, PoolProxiedConnection, PoolResetState

from fastapi_kit._clock import SYSTEM_CLOCK
from fastapi_kit.db._isolation import guard
from fastapi_kit.db._url import extra_for, is_memory

IsolationLevel = Literal["READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE"]

_WAL_RETRY = 0.01
"""Seconds between two attempts to put a SQLite database into WAL mode."""


@dataclass(frozen=True)
class Pool:
    """How many connections are kept, and how long work waits for one.

    The size is fixed: connections opened under load, as an overflow does, cost more throughput than they bring.
    """

    size: int = 10
    """Connections at most, in one process."""
    timeout: float = 5.0
    """Seconds to wait for a free connection, for a new one to open, or for SQLite's other writer, before the work is
    given up, a request with a 503."""
    recycle: float = 1800.0
    """Seconds after which an idle connection is replaced."""
    statement_timeout: float | None = 30.0
    """Seconds to wait for the answer to one statement, on PostgreSQL (asyncpg) and MariaDB (asyncmy), before the
    connection is given up, a request with a 503; `None` waits for ever."""
    pre_ping: bool = False
    """Test each connection before it is used: two more round trips, and no failed request after a database restart."""


@dataclass(frozen=True, slots=True)
class PoolUsage:
    """How full a pool is, in this process and at one moment."""

    size: int
    """Connections that there may be."""
    in_use: int
    """Connections that somebody works with."""
    waiting: int
    """Callers that have asked for a connection and have none yet, be it that all are in use or that one is opening."""


class WatchedPool(AsyncAdaptedQueuePool):
    """A pool that knows how many wait for it."""

    waiting = 0

    def connect(self) -> PoolProxiedConnection:
        """A connection, once there is one."""
        self.waiting += 1
        try:
            return super().connect()
        finally:
            self.waiting -= 1

    def usage(self) -> PoolUsage:
        """How full it is now; may be called from any thread."""
        return PoolUsage(self.size(), self.checkedout(), self.waiting)


def create_engine(url: URL, pool: Pool, *, echo: bool = False) -> AsyncEngine:
    """Make the engine whose connections rest in AUTOCOMMIT.

    Raises:
        ImportError: The driver is not installed; the message names the extra.
    """
    options: dict[str, Any] = {
        "isolation_level": "AUTOCOMMIT",
        "skip_autocommit_rollback": True,
        "echo": echo,
        "hide_parameters": True,
        "poolclass": WatchedPool,
        "pool_size": 1 if is_memory(url) else pool.size,
        "max_overflow": 0,
        "pool_timeout": pool.timeout,
        # A database in memory lives as long as its one connection does.
        "pool_recycle": -1 if is_memory(url) else pool.recycle,
        "pool_pre_ping": pool.pre_ping,
    }
    try:
        engine = create_async_engine(url, connect_args=_connect_arguments(url, pool), **options)
    except ModuleNotFoundError as error:
        raise ImportError(
            f"{url.get_backend_name()} needs the driver {error.name!r}: pip install 'fastapi-kit[{extra_for(url)}]'"
        ) from error
    guard(engine.dialect)
    event.listen(engine.sync_engine, "do_connect", _connect)
    event.listen(engine.sync_engine, "handle_error", _give_up_connection)
    if engine.dialect.name == "sqlite":
        event.listen(engine.sync_engine, "connect", _set_up_sqlite(pool.timeout))
        event.listen(engine.sync_engine, "reset", _roll_back_sqlite)
    return engine


def _connect(dialect: Dialect, _record: object, arguments: Sequence[Any], options: dict[str, Any]) -> DBAPIConnection:
    """Raise what goes wrong while connecting as the driver's own kind of error.

    Some drivers let an `OSError`, a `TimeoutError` or an exception of theirs through, which SQLAlchemy cannot wrap, and
    which nobody could tell from the same error of the app's own code.
    """
    driver: Any = dialect.loaded_dbapi
    try:
        return dialect.connect(*arguments, **options)
    except driver.Error:
        raise
    except Exception as error:
        raise driver.InterfaceError(f"cannot connect: {type(error).__name__}") from error


def _give_up_connection(context: ExceptionContext) -> DBAPIError | None:
    """Make an error of the network one of the driver, and the connection that it came from unusable.

    asyncpg raises Python's own `TimeoutError` or `OSError` for a server that does not answer. SQLAlchemy would pass it
    on and use the connection again, on which the next statement, a ROLLBACK, would hang as long.
    """
    error = context.original_exception
    if not isinstance(error, OSError):
        return None
    context.is_disconnect = True
    # A slow statement says nothing about the other connections; a connection that was reset says that the server went.
    context.invalidate_pool_on_disconnect = not isinstance(error, TimeoutError)
    return OperationalError(context.statement, None, error, hide_parameters=True, connection_invalidated=True)


def _connect_arguments(url: URL, pool: Pool) -> dict[str, Any]:
    """Bound the time of one attempt to connect, and of one statement; each driver names it in its own way.

    Raises:
        ModuleNotFoundError: The driver is not installed.
    """
    timeout, statement_timeout = pool.timeout, pool.statement_timeout
    match url.get_driver_name():
        case "asyncpg":
            return {"timeout": timeout, "command_timeout": statement_timeout}
        case "asyncmy":
            return {"connect_timeout": max(1, round(timeout)), "read_timeout": statement_timeout}
        case "aiomysql" | "psycopg":
            return {"connect_timeout": max(1, round(timeout))}
        case "aiosqlite":
            from fastapi_kit.db._aiosqlite import connect  # noqa: PLC0415 - the driver is an extra

            return {"timeout": timeout, "async_creator_fn": connect}  # the timeout is for SQLite's other writer, too
        case _:
            return {}


@dataclass(frozen=True)
class Connections:
    """The two ways of working with a database."""

    resting: AsyncEngine
    """The pool, of connections in AUTOCOMMIT."""
    engine: AsyncEngine
    """Transactions of several statements."""
    single: Callable[[], AbstractContextManager[Connection]]
    """A connection for one statement that is its own transaction; to be entered in a greenlet."""
    sessions: async_sessionmaker[AsyncSession] = field(init=False)
    """Sessions on `engine`."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "sessions", async_sessionmaker(self.engine, expire_on_commit=False))


def pooled(resting: AsyncEngine, isolation_level: IsolationLevel | None) -> Connections:
    """Both ways of working on one pool, made from the engine whose connections rest in AUTOCOMMIT."""
    sqlite = resting.dialect.name == "sqlite"
    level = "SERIALIZABLE" if sqlite else isolation_level or "READ COMMITTED"
    engine = resting.execution_options(isolation_level=level)
    if sqlite:
        event.listen(engine.sync_engine, "begin", _begin_sqlite)
    return Connections(resting, engine, single=resting.sync_engine.connect)


def _set_up_sqlite(timeout: float) -> Callable[[DBAPIConnection, object], None]:
    """Foreign keys hold, readers and one writer work side by side, and a second writer waits instead of failing."""

    async def set_up(driver: Any) -> None:
        for pragma in ("foreign_keys = ON", "synchronous = NORMAL"):
            await driver.execute_fetchall(f"PRAGMA {pragma}")
        await _switch_to_wal(driver, timeout)

    def on_connect(connection: DBAPIConnection, _record: object) -> None:
        adapted = cast("AdaptedConnection", connection)
        adapted.run_async(set_up)

    return on_connect


async def _switch_to_wal(driver: Any, patience: float) -> None:
    """Wait, at most `patience` seconds, for whoever writes or is switching at the same time.

    The mode is kept in the file, so this takes a lock once in a database's life; but then SQLite does not wait for that
    lock as it waits for all others (it would upgrade one that it holds, which could wait for ever): it fails at once.
    """
    until = SYSTEM_CLOCK.monotonic() + patience
    while True:
        try:
            # Read to its end: a statement that is still open keeps later ones from letting go of their locks.
            await driver.execute_fetchall("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or SYSTEM_CLOCK.monotonic() >= until:
                raise
            await asyncio.sleep(_WAL_RETRY)
        else:
            return


def _roll_back_sqlite(connection: DBAPIConnection, record: ConnectionPoolEntry, state: PoolResetState) -> None:
    """Let no connection return to the pool inside a transaction.

    After a COMMIT that failed (a deferred constraint) SQLite's transaction goes on, which SQLAlchemy takes to be over.
    """
    driver: Any = record.driver_connection
    if state.asyncio_safe and driver is not None and driver.in_transaction:
        connection.rollback()


def _begin_sqlite(connection: Connection) -> None:
    """Take the write lock at the start.

    A transaction that reads first and writes later cannot wait for another writer: SQLite answers SQLITE_BUSY at once,
    as the snapshot it has read from is old by then (https://www.sqlite.org/isolation.html).
    """
    connection.exec_driver_sql("BEGIN IMMEDIATE")
