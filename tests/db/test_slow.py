"""Telling of statements that take long."""

import logging

import pytest
from sqlalchemy import text

from fastapi_kit._clock import SYSTEM_CLOCK
from fastapi_kit.db import Database

pytestmark = pytest.mark.anyio


class Ticking:
    """A clock that is a second later whenever it is asked."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.now = SYSTEM_CLOCK.now

    def monotonic(self) -> float:
        """A second later than before."""
        self.seconds += 1
        return self.seconds


def told(caplog: pytest.LogCaptureFixture) -> list[str]:
    """What was logged of slow statements."""
    return [record.getMessage() for record in caplog.records if record.name == "fastapi_kit.db"]


async def test_slow_statement_is_told_once_wherever_it_runs(
    database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    """In a session, in a transaction and alone: its text on one line, the time, and no parameter."""
    database.log_slow_queries(1.0, clock=Ticking())
    statement = text("SELECT\n  :secret AS told").bindparams(secret="hunter2")
    with caplog.at_level(logging.WARNING):
        await database.run(lambda connection: connection.execute(statement).scalar_one())
        async with database.session() as session:
            await session.execute(statement)
        async with database.engine.begin() as connection:
            await connection.execute(statement)
    selects = [line for line in told(caplog) if "AS told" in line]
    assert len(selects) == 3
    assert all("s: SELECT " in line and "\n" not in line and "hunter2" not in line for line in selects)


async def test_quick_statement_is_not_told(database: Database, caplog: pytest.LogCaptureFixture) -> None:
    """What is below the limit is nobody's concern."""
    database.log_slow_queries(1_000.0)
    with caplog.at_level(logging.WARNING):
        await database.ping()
    assert told(caplog) == []


async def test_really_slow_statement_has_its_time(database: Database, caplog: pytest.LogCaptureFixture) -> None:
    """The time is that of the database."""
    database.log_slow_queries(0.05)
    slow = (
        "SELECT pg_sleep(0.1)"
        if database.engine.dialect.name == "postgresql"
        else "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000000) SELECT count(*) FROM n"
    )
    with caplog.at_level(logging.WARNING):
        await database.run(lambda connection: connection.execute(text(slow)).all())
    (record,) = [record for record in caplog.records if record.name == "fastapi_kit.db"]
    assert 0.05 <= getattr(record, "duration", 0) < 30


async def test_limit_is_a_time(database: Database) -> None:
    """Nothing and less are no times."""
    with pytest.raises(ValueError, match="above 0"):
        database.log_slow_queries(0)
