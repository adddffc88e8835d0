"""What reaches a database, for tests of how many statements a request costs."""

from typing import Any

import anyio
import anyio.lowlevel
from sqlalchemy import Connection, event
from sqlalchemy.engine.interfaces import DBAPICursor

from fastapi_kit.db import Database


class Statements:
    """Counts what reaches the driver of an engine."""

    def __init__(self, database: Database) -> None:
        self.seen: list[str] = []
        pool = database.connections.resting.sync_engine  # the engine of sessions tells this one's listeners as well
        event.listen(pool, "before_cursor_execute", self._statement)
        event.listen(pool, "commit", self._commit)

    def _statement(self, _c: Connection, _u: DBAPICursor, statement: str, *_: object) -> None:
        self.seen.append(statement)

    def _commit(self, _: Connection) -> None:
        self.seen.append("COMMIT")

    def take(self) -> list[str]:
        """What was seen since the last time."""
        seen, self.seen = self.seen, []
        return seen


class Queries:
    """Everything that PostgreSQL is sent, BEGIN, COMMIT and ROLLBACK too; made before the first connection is."""

    def __init__(self, database: Database) -> None:
        self._seen: list[str] = []
        engine = database.connections.resting.sync_engine
        # SQLAlchemy runs its statements as prepared ones, and the driver tells of all others.
        event.listen(engine, "connect", self._connected)
        event.listen(engine, "before_cursor_execute", self._statement)  # sessions' too, as their engine is made of it

    def _connected(self, connection: Any, _record: object) -> None:
        connection.driver_connection.add_query_logger(self._driver)

    def _driver(self, record: Any) -> None:
        self._seen.append(record.query)

    def _statement(self, _c: Connection, _u: DBAPICursor, statement: str, *_: object) -> None:
        self._seen.append(statement)

    async def take(self) -> list[str]:
        """The first word of each since the last time, in alphabetical order."""
        await anyio.lowlevel.checkpoint()  # the driver tells a moment later
        seen, self._seen = self._seen, []
        return sorted(text.split()[0].strip(";") for text in seen)
