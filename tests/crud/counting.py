"""What reaches a database, for tests of how many statements a request costs."""

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
