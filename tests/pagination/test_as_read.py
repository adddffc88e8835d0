"""Columns are ordered and compared as they are read, where a database stores something else."""

from datetime import datetime
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.dialects import sqlite
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from fastapi_kit.db import Database, Timestamps, UTCDateTime
from fastapi_kit.pagination import CursorCodec, SortKey
from fastapi_kit.pagination._as_read import AsRead
from tests.pagination.walks import Walk, flat, part_of

DIALECT = sqlite.dialect()
NOW = sa.func.now()
FULL_NOW = sa.text("(strftime('%Y-%m-%d %H:%M:%f000', 'now'))")


class Cents(sa.TypeDecorator[Any]):
    """A type of one's own."""

    impl = sa.Numeric(10, 2)
    cache_ok = True


class Wrapped(sa.TypeDecorator[Any]):
    """A type made of such a type."""

    impl = Cents
    cache_ok = True


@pytest.mark.parametrize(
    ("column", "plain"),
    [
        (sa.Column("x", sa.DateTime), True),
        (sa.Column("x", UTCDateTime, default=datetime.now), True),
        (sa.Column("x", sa.DateTime, server_default=FULL_NOW), True),
        (sa.Column("x", sa.DateTime, server_default="2024-01-01 00:00:00"), False),
        (sa.Column("x", sa.DateTime, server_default=NOW), False),
        (sa.Column("x", UTCDateTime, server_default=NOW), False),
        (sa.Column("x", sa.DateTime, default=NOW), False),
        (sa.Column("x", sa.DateTime, onupdate=NOW), False),
        (sa.Column("x", sa.DateTime, server_onupdate=sa.FetchedValue()), False),
        (sa.Column("x", sa.DateTime, server_default=sa.FetchedValue()), False),
        (sa.Column("x", sa.DateTime, sa.Computed("y")), False),
        (sa.Column("x", sa.Time, server_default=sa.func.current_time()), False),
        (sa.Column("x", sa.Date, server_default=sa.func.current_date()), True),
        (sa.Column("x", sa.Numeric(10, 2)), False),
        (sa.Column("x", Wrapped), False),
        (sa.Column("x", sa.Numeric(10, 2, asdecimal=False)), True),
        (sa.Column("x", sa.Float), True),
        (sa.Column("x", sa.String), True),
    ],
)
def test_sqlite_needs_no_more_than_it_must(column: sa.Column[Any], plain: bool) -> None:
    """An index serves each column but those that SQL may write in a shorter form, or with more places than are read."""
    assert (str(AsRead(column, column).compile(dialect=DIALECT)) == "x") is plain


class Stamped(Timestamps, DeclarativeBase):
    """A registry whose models have the kit's time stamps."""


class Note(Stamped):
    """A row with time stamps."""

    __tablename__ = "stamped"
    id: Mapped[int] = mapped_column(primary_key=True)


@pytest.mark.parametrize("name", ["created_at", "updated_at"])
def test_time_stamps_need_nothing(name: str) -> None:
    """The kit's own time stamps are written in one form, whoever writes them."""
    column = Note.__table__.c[name]
    assert str(AsRead(column, column).compile(dialect=DIALECT)) == f"stamped.{name}"


@pytest.mark.parametrize(
    ("scale", "expected"), [(sa.Numeric(9, 3), 3), (sa.Numeric(), 10), (sa.Numeric(9, 3, decimal_return_scale=1), 1)]
)
def test_numbers_are_rounded_to_the_places_that_are_read(scale: sa.Numeric[Any], expected: int) -> None:
    """SQLAlchemy reads as many places as the type says, or ten."""
    column = sa.Column("x", scale)
    assert str(AsRead(column, column).compile(dialect=DIALECT)) == f"round(x, {expected})"


WRITTEN = sa.Table(
    "written",
    sa.MetaData(),
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("at", sa.DateTime, server_default=NOW),
    sa.Column("clock", sa.Time, server_default=sa.func.current_time()),
    sa.Column("price", sa.Numeric(10, 2), nullable=False),
)


@pytest.mark.anyio
@pytest.mark.parametrize("name", ["at", "clock", "price"])
async def test_what_sql_writes_on_sqlite(tmp_path: Any, name: str) -> None:
    """Walks meet each row once where SQL wrote a time without microseconds, or computed a price with a rest."""
    column = WRITTEN.c[name]
    nullable = bool(column.nullable)
    keys = [SortKey(column, False, nullable), SortKey(WRITTEN.c.id, False, False)]
    walk = Walk(keys, CursorCodec((part_of(column.type.python_type, nullable=nullable), part_of(int))))
    database = Database(f"sqlite:///{tmp_path}/written.db")
    async with database.engine.begin() as connection:
        await connection.run_sync(WRITTEN.metadata.create_all)
        for at in ("12:00:00", "12:00:00.000000", "11:59:59.999999"):
            for price in ("1.1 * 3", "3.3", "3.29"):
                literals = {"at": f"'2024-01-31 {at}'", "clock": f"'{at}'", "price": price}
                values = {name: sa.text(literal) for name, literal in literals.items()}
                await connection.execute(sa.insert(WRITTEN).values(values))
        unpaged = await walk.all(connection)
        assert [row[0] for row in unpaged] == sorted(row[0] for row in unpaged)
        for size in (1, 2, 4):
            for backward in (False, True):
                assert flat(await walk.pages(connection, size, backward=backward, most=20)) == unpaged
    await database.dispose()
