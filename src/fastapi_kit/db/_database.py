"""`Database`: one pool of connections, handed out as sessions or for a single statement."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any, TypeVar, cast

from sqlalchemy import Connection, text
from sqlalchemy.engine import URL
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession
from sqlalchemy.util import greenlet_spawn
from starlette.applications import Starlette

from fastapi_kit._clock import SYSTEM_CLOCK, Clock
from fastapi_kit.db._engine import (
    Connections,
    IsolationLevel,
    Pool,
    PoolUsage,
    WatchedPool,
    create_engine,
    pooled,
)
from fastapi_kit.db._guard import check_session_scopes
from fastapi_kit.db._repeat import repeat
from fastapi_kit.db._slow import SlowQueries
from fastapi_kit.db._url import async_url

T = TypeVar("T")


class Database:
    """A database and its pool of connections, for the lifetime of an app.

    Nothing is connected until the first use. Give `lifespan` to the app, so that requests find the database in their
    state and the pool is closed at shutdown:

        database = Database("postgresql://localhost/shop")
        app = FastAPI(lifespan=compose(database.lifespan))

    Args:
        url: `postgresql://`, `sqlite://`, `mysql://` or `mariadb://`; the async driver is chosen for you.
        pool: The pool's size and waiting times. A SQLite database in memory always has one connection.
        isolation_level: Of the sessions' transactions, READ COMMITTED by default; SQLite is always serializable.
        echo: Log each statement, without its parameters.

    Raises:
        DatabaseURLError: The URL names no known backend, or a driver that blocks the event loop.
        ImportError: The driver is not installed; the message names the extra.
    """

    def __init__(
        self,
        url: str | URL,
        *,
        pool: Pool | None = None,
        isolation_level: IsolationLevel | None = None,
        echo: bool = False,
    ) -> None:
        self.url = async_url(url)
        self.connections: Connections = pooled(create_engine(self.url, pool or Pool(), echo=echo), isolation_level)
        """How connections are had; `fastapi_kit.testing` puts others in their place."""
        self._pooled = self.connections
        self._slow: SlowQueries | None = None

    @property
    def engine(self) -> AsyncEngine:
        """The SQLAlchemy engine, for transactions of one's own: `async with database.engine.begin() as connection`."""
        return self.connections.engine

    def session(self) -> AsyncSession:
        """A new session; `async with database.session() as session` closes it and rolls back what is not committed.

        In a request use `SessionDep` instead, which also commits.
        """
        return self.connections.sessions()

    async def run(self, work: Callable[[Connection], T]) -> T:
        """Run `work` on a connection in AUTOCOMMIT, where each statement is a transaction of its own.

        A single statement has taken effect when this returns, and has not when this raises; what must take effect
        together with others belongs into a `session`. Several reads are not one snapshot.
        `work` runs in a greenlet and uses the synchronous API of the connection that it is given.
        """

        def on_connection() -> T:
            with self.connections.single() as connection:
                return work(connection)

        return await greenlet_spawn(on_connection)

    async def repeat(self, unit: Callable[[AsyncSession], Awaitable[T]], *, attempts: int = 3) -> T:
        """Run `unit` in a session of its own and commit; do it again while the database gives it up for others.

        That is after a serialization failure, a deadlock, or a lock that did not come free: the attempt is rolled back,
        so another one, in a new session and from the beginning, is safe as far as the database goes. What else `unit`
        does it may do several times; what must not be lost or doubled waits for `after_commit`. All other errors are
        raised at once, a lost connection among them, after which nobody knows whether the COMMIT has taken effect.

        A request whose session is in use holds two connections with it: use one or the other.

        Args:
            unit: What to do; its result is the result.
            attempts: How often at most. Between two there is a pause of random length, some hundredths of a second.

        Raises:
            ValueError: `attempts` is below 1.
            TransactionConflictError: The last attempt was given up as well.
        """
        return await repeat(self.connections.sessions, unit, attempts)

    async def ping(self) -> None:
        """Make one round trip to the database; raises SQLAlchemy's error if it cannot be reached."""
        await self.run(lambda connection: connection.execute(text("SELECT 1")).scalar_one())

    def pool_usage(self) -> PoolUsage:
        """How full the pool of this process is now; may be called from any thread."""
        return cast("WatchedPool", self._pooled.resting.pool).usage()

    def log_slow_queries(self, seconds: float, *, clock: Clock = SYSTEM_CLOCK) -> None:
        """Log a warning for each statement that takes this long or longer: its text without parameters, and the time.

        The time is that until the database has answered, without the fetching of rows from a stream. Call it before the
        first use; another call changes the limit. It costs a microsecond or two for each statement.

        Raises:
            ValueError: `seconds` is not more than 0.
        """
        if seconds <= 0:
            raise ValueError(f"seconds={seconds!r}: a number of seconds above 0")
        if self._slow is None:
            engines = (self._pooled.resting.sync_engine, self._pooled.engine.sync_engine)
            self._slow = SlowQueries(engines, seconds, clock)
        self._slow.seconds, self._slow.clock = seconds, clock

    async def dispose(self) -> None:
        """Close the pool's connections; the next use opens new ones."""
        await self.connections.resting.dispose()

    @asynccontextmanager
    async def lifespan(self, app: Starlette) -> AsyncGenerator[Mapping[str, Any]]:
        """The lifespan resource: puts this database into the requests' state as `database`, and closes it at the end.

        Raises:
            SessionScopeError: A route of `app` would use its session after it is closed, or commit after the response.
        """
        check_session_scopes(app)
        try:
            yield {"database": self}
        finally:
            await self.dispose()
