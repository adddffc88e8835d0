"""Rows with a column of each type that has an order, and walks through all their pages by cursor."""

import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, Literal
from uuid import UUID

import sqlalchemy as sa
from pydantic import TypeAdapter
from sqlalchemy.ext.asyncio import AsyncConnection

from fastapi_kit.db import UTCDateTime
from fastapi_kit.pagination import CursorCodec, CursorPart, SortKey, beyond, binding_of, ordering


class Colour(enum.Enum):
    """Declared in another order than that of its names, and of its values."""

    RED = "r"
    BLUE = "b"
    GREEN = "g"


Level = Literal["low", "high", "it's 5%"]


@dataclass(frozen=True)
class Kind:
    """A type in the database and in Python, and some of its values."""

    stored: sa.types.TypeEngine[Any]
    python: Any
    values: Sequence[Any]


KINDS: Mapping[str, Kind] = {
    "small": Kind(sa.SmallInteger(), int, [0, -1, 32_767]),
    "number": Kind(sa.Integer(), int, [0, 1, -(2**31)]),
    "big": Kind(sa.BigInteger(), int, [0, 2**53 + 1, 2**63 - 1, -(2**63)]),
    "flag": Kind(sa.Boolean(), bool, [False, True]),
    "colour": Kind(sa.Enum(Colour), Colour, list(Colour)),
    "level": Kind(sa.Enum("low", "high", "it's 5%", name="walk_level"), Level, ["low", "high", "it's 5%"]),
    "word": Kind(sa.Enum(Colour, native_enum=False), Colour, list(Colour)),
    "line": Kind(sa.String(20), str, ["", "a", "A", "a ", "é", "Zürich", "🜁", "'\\%_"]),
    "text": Kind(sa.Text(), str, ["", "0", "a\nb", "a"]),
    "code": Kind(sa.CHAR(4), str, ["ab", "a", "abcd"]),
    "price": Kind(sa.Numeric(10, 2), Decimal, [Decimal(0), Decimal("0.10"), Decimal("-0.1"), Decimal("99999999.99")]),
    "ratio": Kind(sa.Float(), float, [0.0, 0.1, 1 / 3, 16_777_217.0, 16_777_218.0, -1e-7]),
    "real": Kind(sa.Float(24), float, [0.0, 0.1, 1 / 3, 16_777_217.0]),
    "double": Kind(sa.Double(), float, [0.0, 0.1, 1 / 3, 0.30000000000000004, 1e300, -5e-324]),
    "at": Kind(
        UTCDateTime(),
        datetime,
        [datetime(2024, 2, 29, 23, 59, 59, 123456, UTC), datetime(2024, 3, 1, tzinfo=UTC)],
    ),
    "wall": Kind(
        sa.DateTime(),
        datetime,
        [datetime(2024, 2, 29, 23, 59, 59, 999999), datetime(1066, 1, 1)],  # noqa: DTZ001 - wall clocks
    ),
    "day": Kind(sa.Date(), date, [date(1066, 1, 1), date(9999, 12, 31), date(2024, 2, 29)]),
    "clock": Kind(sa.Time(), time, [time(0), time(23, 59, 59, 999999), time(12, 30)]),
    "span": Kind(sa.Interval(), timedelta, [timedelta(0), timedelta(-1, 5, 6), timedelta(400, 1), timedelta(0, 1, 1)]),
    "ref": Kind(sa.Uuid(), UUID, [UUID(int=0), UUID(int=2**127), UUID("01890a5d-ac96-774b-bcce-b302099a8057")]),
}

TABLE = sa.Table(
    "walk",
    sa.MetaData(),
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
    *(sa.Column(name, kind.stored, nullable=False) for name, kind in KINDS.items()),
    *(sa.Column(f"{name}_or_null", kind.stored) for name, kind in KINDS.items()),
)

BINDING = binding_of("walk")


def part_of(python: Any, *, nullable: bool = False) -> CursorPart:
    """How pydantic writes and reads values of a type."""
    adapter = TypeAdapter[Any](python)
    return CursorPart(lambda value: adapter.dump_python(value, mode="json"), adapter.validate_python, nullable)


@dataclass(frozen=True)
class Walk:
    """An order of a table, with the cursors that fit."""

    keys: Sequence[SortKey]
    codec: CursorCodec

    @classmethod
    def by(cls, *terms: str) -> "Walk":
        """The order of `TABLE` by some columns, `-` for descending, and by `id` or `-id` at last."""
        keys: list[SortKey] = []
        parts: list[CursorPart] = []
        for term in terms:
            name = term.removeprefix("-")
            column = TABLE.c[name]
            python = int if name == "id" else KINDS[name.removesuffix("_or_null")].python
            keys.append(SortKey(column, descending=term.startswith("-"), nullable=bool(column.nullable)))
            parts.append(part_of(python, nullable=bool(column.nullable)))
        return cls(keys, CursorCodec(tuple(parts)))

    def select(self) -> sa.Select[Any]:
        """All rows: the unique key, and the values that a cursor holds."""
        return sa.select(*(key.column for key in self.keys))

    async def all(self, connection: AsyncConnection) -> list[sa.Row[Any]]:
        """The unpaged list."""
        return list(await connection.execute(self.select().order_by(*ordering(self.keys))))

    async def page(
        self, connection: AsyncConnection, size: int, cursor: str | None, *, backward: bool
    ) -> list[sa.Row[Any]]:
        """The page after a cursor, or before it, in the order of the list."""
        select = self.select().order_by(*ordering(self.keys, backward)).limit(size)
        parameters: dict[str, Any] = {}
        if cursor is not None:
            position = self.codec.decode(cursor, BINDING)
            assert position.backward is backward
            select = select.where(beyond(self.keys, position.nulls, backward))
            parameters = position.parameters
        rows = list(await connection.execute(select, parameters))
        return rows[::-1] if backward else rows

    def cursor(self, row: sa.Row[Any], *, backward: bool) -> str:
        """The token of a row."""
        return self.codec.encode(row, BINDING, backward=backward)

    async def pages(
        self, connection: AsyncConnection, size: int, *, backward: bool, most: int
    ) -> list[list[sa.Row[Any]]]:
        """All pages from one end to the other, in the order of the list; stops at `most`."""
        met: list[list[sa.Row[Any]]] = []
        cursor = None
        while len(met) < most and (rows := await self.page(connection, size, cursor, backward=backward)):
            met.append(rows)
            cursor = self.cursor(rows[0 if backward else -1], backward=backward)
        return met[::-1] if backward else met


def flat(pages: Sequence[Sequence[sa.Row[Any]]]) -> list[sa.Row[Any]]:
    """The rows of all pages."""
    return [row for page in pages for row in page]
