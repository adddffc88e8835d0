"""Switching the isolation level of a connection that may be dead.

On MariaDB the switch is a round trip. SQLAlchemy makes it outside of what it handles errors in: before a connection is
used, where an error comes out as the driver's own and the connection is not given back; and when it returns to the
pool, where an error would fail work that has been committed.
"""

from typing import Any

from sqlalchemy import Connection
from sqlalchemy.engine.characteristics import IsolationLevelCharacteristic
from sqlalchemy.engine.interfaces import DBAPIConnection, Dialect
from sqlalchemy.exc import DBAPIError


class GuardedIsolationLevel(IsolationLevelCharacteristic):
    """SQLAlchemy's, with errors that are handled as those of statements."""

    def set_connection_characteristic(
        self, dialect: Dialect, conn: Connection, dbapi_conn: DBAPIConnection, value: Any
    ) -> None:
        """Switch; a connection on which that fails is closed, and its place in the pool is free."""
        driver: Any = dialect.loaded_dbapi
        try:
            super().set_connection_characteristic(dialect, conn, dbapi_conn, value)
        except driver.Error as error:
            conn.invalidate(error)
            raise DBAPIError.instance(
                "SET TRANSACTION ISOLATION LEVEL",
                None,
                error,
                driver.Error,
                hide_parameters=True,
                connection_invalidated=True,
                dialect=dialect,
            ) from error

    def reset_characteristic(self, dialect: Dialect, dbapi_conn: DBAPIConnection) -> None:
        """Switch back; a connection on which that fails is closed, which its next user finds out."""
        driver: Any = dialect.loaded_dbapi
        try:
            super().reset_characteristic(dialect, dbapi_conn)
        except driver.Error:
            dialect.do_terminate(dbapi_conn)


def guard(dialect: Dialect) -> None:
    """Let connections of this dialect switch so."""
    known: Any = dialect.connection_characteristics  # type: ignore[attr-defined]
    dialect.connection_characteristics = known.union({"isolation_level": GuardedIsolationLevel()})  # type: ignore[attr-defined]
