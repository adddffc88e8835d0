"""Which statements a request sends to PostgreSQL, BEGIN and COMMIT included: the part of its cost that no clock blurs.

SQLAlchemy tells what it executes, asyncpg tells of the transactions around it. SQLAlchemy is slower once it has been
listened to, so this comes after the last measurement.
"""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

from sqlalchemy import Engine, event
from sqlalchemy.pool import Pool


@asynccontextmanager
async def statements() -> AsyncGenerator[list[str]]:
    """Collect what all engines of this process send in the block."""
    sent: list[str] = []

    def log(record: Any) -> None:
        sent.append(record.query)

    def checkout(_connection: Any, entry: Any, _proxy: Any) -> None:
        entry.driver_connection.add_query_logger(log)

    def checkin(_connection: Any, entry: Any) -> None:
        entry.driver_connection.remove_query_logger(log)

    def execute(*arguments: Any) -> None:
        sent.append(arguments[2])

    listeners = ((Pool, "checkout", checkout), (Pool, "checkin", checkin), (Engine, "before_cursor_execute", execute))
    for target, name, listener in listeners:
        event.listen(target, name, listener)
    try:
        yield sent
        await asyncio.sleep(0)  # asyncpg logs in the loop's next turn
    finally:
        for target, name, listener in listeners:
            event.remove(target, name, listener)
