"""Rows by the million, made by the database itself from the numbers 1 to n, the same on SQLite and PostgreSQL."""

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from fastapi_kit.db import Database

from ._models import Base

REGIONS = 500
WITH_NOTES = 1_000
"""Places that have notes: the first ones, which lists show."""
NOTES_EACH = 3

_NUMBERS = {
    "postgresql": "SELECT generate_series(1, :count) AS n",
    "sqlite": "WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < :count) "
    "SELECT n FROM numbers",
}
_DAY = {
    "postgresql": "date '2000-01-01' + n % 9000",
    "sqlite": "date('2000-01-01', '+' || (n % 9000) || ' days')",
}
_REGIONS = "INSERT INTO regions (id, name, code) SELECT n, 'Région ' || n, 'R' || n FROM ({numbers}) AS numbers"
_PLACES = """
INSERT INTO places (id, name, region_id, score, rating, opened_on, remark)
SELECT n, 'Plaza Número ' || n, 1 + n % {regions}, n % 20011 * 7919 % 20011,
       CASE WHEN n % 5 = 0 THEN NULL ELSE (n % 41) / 8.0 END, {day},
       CASE WHEN n % 3 = 0 THEN 'Seen, "twice", by number ' || n END
FROM ({numbers}) AS numbers
"""
_NOTES = """
INSERT INTO notes (id, place_id, text, stars)
SELECT n, 1 + (n - 1) / {each}, 'A note, the ' || n || 'th of all', 1 + n % 5 FROM ({numbers}) AS numbers
"""


async def fill(url: str, count: int) -> None:
    """Make `count` places in an empty database; a million take some ten seconds."""
    database = Database(url)
    async with database.engine.begin() as connection:
        dialect = connection.dialect.name
        await connection.run_sync(Base.metadata.create_all)
        await _make(connection, _REGIONS, REGIONS)
        await _make(connection, _PLACES.format(regions=REGIONS, day=_DAY[dialect], numbers="{numbers}"), count)
        await _make(
            connection, _NOTES.format(each=NOTES_EACH, numbers="{numbers}"), min(count, WITH_NOTES) * NOTES_EACH
        )
    async with database.engine.connect() as connection:
        # VACUUM, too, as an old table would have had it: PostgreSQL counts faster where pages are known to be visible.
        await connection.execution_options(isolation_level="AUTOCOMMIT")
        await connection.execute(text("VACUUM ANALYZE" if dialect == "postgresql" else "ANALYZE"))
    await database.dispose()


async def _make(connection: AsyncConnection, statement: str, count: int) -> None:
    numbers = _NUMBERS[connection.dialect.name]
    await connection.execute(text(statement.format(numbers=numbers)), {"count": count})
