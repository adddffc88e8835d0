"""What holds a key on MariaDB: a row that is not committed yet, which nobody waits for.

`SET STATEMENT` bounds the wait for a lock by one statement, so the connection is as it was; a statement that gives up
waiting undoes itself alone, and the transaction goes on.
"""

from typing import Any

from sqlalchemy import Table, text
from sqlalchemy.exc import OperationalError
from sqlalchemy.ext.asyncio import AsyncSession

_WITHOUT_WAITING = "SET STATEMENT innodb_lock_wait_timeout = 0 FOR "
_LOCKED = 1205
"""The error of a lock that was not had in time."""


async def insert_held(session: AsyncSession, table: Table, key: str, fingerprint: str) -> bool | None:
    """Insert a row that is over from the start; `False` if there is one, `None` if somebody else holds it."""
    count = await _changed(
        session,
        f"INSERT IGNORE INTO {_quoted(session, table)} (`key`, fingerprint, status, headers, body, expires_at)"  # noqa: S608
        " VALUES (:key, :fingerprint, 0, '', '', 0)",
        key=key,
        fingerprint=fingerprint,
    )
    return None if count is None else count > 0


async def delete_if_over(session: AsyncSession, table: Table, key: str, now: int) -> bool:
    """Delete the row if it is over; `False` if somebody else holds it."""
    statement = f"DELETE FROM {_quoted(session, table)} WHERE `key` = :key AND expires_at <= :now"  # noqa: S608
    return await _changed(session, statement, key=key, now=now) is not None


async def _changed(session: AsyncSession, statement: str, **values: str | int) -> int | None:
    """How many rows that has changed; `None` where one of them is locked."""
    try:
        result: Any = await session.execute(text(_WITHOUT_WAITING + statement), values)
    except OperationalError as error:
        if error.orig is not None and error.orig.args[0] == _LOCKED:
            return None
        raise
    count: int = result.rowcount
    return count


def _quoted(session: AsyncSession, table: Table) -> str:
    return session.get_bind().dialect.identifier_preparer.format_table(table)
