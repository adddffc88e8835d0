"""Entries: rows of everything that lists are sorted by, for tests of walking through lists."""

import enum
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import httpx2
import sqlalchemy as sa
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from fastapi_kit.crud import TEXT, CRUDRouter, NamedFilter, Query
from fastapi_kit.db import Database, UTCDateTime


class Entries(DeclarativeBase):
    """A registry of its own."""


class Grade(enum.Enum):
    """Neither the names nor the values are in the order of the declaration."""

    GOOD = "b"
    BAD = "c"
    FAIR = "a"


class Entry(Entries):
    """A row of everything that lists are sorted by, most of it null at times."""

    __tablename__ = "entry"
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    text: Mapped[str] = mapped_column(sa.String(20))
    note: Mapped[str | None] = mapped_column(sa.String(20))
    number: Mapped[int] = mapped_column(sa.BigInteger)
    rank: Mapped[int | None]
    price: Mapped[Decimal | None] = mapped_column(sa.Numeric(10, 2))
    ratio: Mapped[float | None] = mapped_column(sa.Double())
    at: Mapped[datetime | None] = mapped_column(UTCDateTime())
    day: Mapped[date] = mapped_column(sa.Date)
    ref: Mapped[UUID | None] = mapped_column(sa.Uuid)
    flag: Mapped[bool | None]
    grade: Mapped[Grade | None] = mapped_column(sa.Enum(Grade))


VALUES: Mapping[str, Sequence[Any]] = {
    "text": ["", "a", "A", "b c", "é", "%_/"],
    "note": [None, "", "x", "y"],
    "number": [-(2**63), 0, 2**53 + 1, 2**63 - 1],
    "rank": [None, 0, -1],
    "price": [None, Decimal("0.10"), Decimal("3.30"), Decimal("-99999999.99")],
    "ratio": [None, 0.1, 1e300, -2.5e-10],
    "at": [None, *(datetime(2024, 1, 1, 12, 0, 0, micro, UTC) for micro in (0, 1, 100_000))],
    "day": [date(1, 1, 2), date(2024, 2, 29)],
    "ref": [None, UUID(int=1), UUID(int=2**128 - 1)],
    "flag": [None, False, True],
    "grade": [None, *Grade],
}
COLUMNS = ("id", *VALUES)
Rows = Sequence[Mapping[str, Any]]
Order = Sequence[tuple[str, bool]]
Items = list[dict[str, Any]]


def with_each(column: str) -> list[dict[str, Any]]:
    """Two rows with each value of a column."""
    template = plain(1)[0]
    values = VALUES.get(column, range(1, 5))
    rows = [{**template, column: value} for value in values for _ in range(2)]
    return [{**row, "id": number} for number, row in enumerate(rows, 1)]


def plain(count: int) -> list[dict[str, Any]]:
    """That many rows, numbered from 1, which differ in their keys and in parity."""
    row = {name: values[-1] for name, values in VALUES.items()}
    return [{"id": number, **row, "text": "b c", "rank": number % 2} for number in range(1, count + 1)]


def sort_of(order: Order) -> str:
    """The order in a query string."""
    return f"sort={','.join('-' * descending + name for name, descending in order)}&" if order else ""


def flat(pages: Sequence[Items]) -> Items:
    """The items of all pages."""
    return [item for page in pages for item in page]


@dataclass(frozen=True)
class Lists:
    """An app on a database whose rows a test sets."""

    api: httpx2.AsyncClient
    database: Database

    async def fill(self, rows: Rows) -> None:
        """Store these rows and no others."""
        async with self.database.engine.begin() as connection:
            await connection.execute(sa.delete(Entry))
            if rows:
                await connection.execute(sa.insert(Entry), [dict(row) for row in rows])

    async def run(self, statement: sa.Executable) -> None:
        """Write something else to the table."""
        async with self.database.engine.begin() as connection:
            await connection.execute(statement)

    async def page(self, query: str) -> dict[str, Any]:
        """The answer to a list request, whose links lead where its cursors do."""
        response = await self.api.get(f"/entries?{query}")
        assert response.status_code == 200, response.text
        page: dict[str, Any] = response.json()
        links = {name: link["url"] for name, link in response.links.items() if name}
        cursors = {"next": page["next_cursor"], "prev": page["previous_cursor"]}
        for name, cursor in cursors.items():
            assert (name in links) is (cursor is not None)
            if cursor is not None:
                assert re.findall(r"[?&]cursor=([^&]*)", links[name]) == [cursor]
        return {**page, "links": links}

    async def walk(self, query: str, link: str) -> list[Items]:
        """The items of a page and of all that its links lead to."""
        page = await self.page(query)
        pages: list[Items] = [page["items"]]
        while link in page["links"]:
            page = await self.page(page["links"][link].removeprefix("?"))
            pages.append(page["items"])
            assert len(pages) < 200, "the walk has no end"
        return pages

    async def walk_both_ways(self, order: Order, limit: int) -> None:
        """Walk a list to its end and back, and compare with the list in one piece."""
        asked = f"{sort_of(order)}limit={limit}"
        unpaged = (await self.page(f"{sort_of(order)}limit=100"))["items"]
        forwards = await self.walk(asked, "next")
        assert flat(forwards) == unpaged
        assert all(len(page) == limit for page in forwards[:-1])
        backwards = await self.walk(f"{asked}&page={len(forwards)}", "prev")
        assert flat(backwards[::-1]) == unpaged

    async def status(self, query: str) -> int:
        """The status of a list request."""
        return (await self.api.get(f"/entries?{query}")).status_code


ROUTER = CRUDRouter(
    Entry,
    prefix="/entries",
    query=Query(
        filter={"text": TEXT, "id": {"eq", "gte", "in"}, "above": NamedFilter(int, lambda it: Entry.id > it)},
        search={"text", "note"},
        sparse=True,
    ),
)
