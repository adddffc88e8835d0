"""Conditions are rendered for each database so that they mean the same, and use its indexes."""

import re

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import make_url
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from fastapi_kit.crud import CRUDRouter
from fastapi_kit.crud._attributes import read_model
from fastapi_kit.crud._sql import Contains, StartsWith, escape_like
from fastapi_kit.db import Database
from fastapi_kit.testing import client
from tests.crud.library import app_with, create_tables, store

DIALECTS: dict[str, sa.Dialect] = {
    name: make_url(f"{name}://").get_dialect()() for name in ("sqlite+aiosqlite", "postgresql+asyncpg", "mysql+asyncmy")
}


class Models(DeclarativeBase):
    """A registry for these tests alone."""


class Item(Models):
    """A row with and without null."""

    __tablename__ = "item"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(sa.String(9))
    note: Mapped[str | None] = mapped_column(sa.String(9))


NAME = read_model(Item).attributes["name"].column


def rendered(element: sa.ClauseElement, dialect: str) -> str:
    """The SQL of an element, without the names of bind parameters."""
    return re.sub(r"\$\d(::\w+)?", "?", str(element.compile(dialect=DIALECTS[dialect])))


@pytest.mark.parametrize(
    ("dialect", "contains", "starts_with"),
    [
        ("sqlite+aiosqlite", "instr(item.name, ?) > ?", "substr(item.name, ?, length(?)) = ?"),
        ("postgresql+asyncpg", "item.name LIKE ? ESCAPE '/'", "item.name LIKE ? ESCAPE '/'"),
    ],
)
def test_matches_tell_upper_from_lower_case(dialect: str, contains: str, starts_with: str) -> None:
    """SQLite's LIKE does not, so other functions stand in for it there."""
    pattern, raw = sa.bindparam("pattern", "%a%", sa.String()), sa.bindparam("raw", "a", sa.String())
    assert rendered(Contains(NAME, pattern, raw), dialect) == contains
    assert rendered(StartsWith(NAME, pattern, raw), dialect) == starts_with


@pytest.mark.parametrize(
    ("text", "expected"), [("plain", "plain"), ("100%", "100/%"), ("a_b", "a/_b"), ("/", "//"), ("/%_", "///%/_")]
)
def test_patterns_match_just_the_text(text: str, expected: str) -> None:
    """What LIKE gives a meaning to is escaped."""
    assert escape_like(text) == expected


@pytest.mark.mariadb
@pytest.mark.anyio
async def test_lists_on_mariadb(mariadb: Database) -> None:
    """Order, pages and filters hold on MariaDB as well."""
    await create_tables(mariadb, Models)
    notes = [None, "b%", "a", None, "a"]
    await store(mariadb, Item, *({"name": f"n{number}", "note": note} for number, note in enumerate(notes, 1)))
    async with client(app_with(mariadb, CRUDRouter(Item, prefix="/items"))) as api:
        for query, expected in [
            ("sort=note", [3, 5, 2, 1, 4]),
            ("sort=-note", [1, 4, 2, 3, 5]),
            ("sort=note&limit=2&page=2", [2, 1]),
            ("note__ne=a", [1, 2, 4]),
            ("note__contains=%25", [2]),
            ("note__startswith=a", [3, 5]),
            ("note__isnull=true", [1, 4]),
            ("note__in=a&note__in=b%25", [2, 3, 5]),
        ]:
            page = (await api.get(f"/items?{query}")).json()
            assert [row["id"] for row in page["items"]] == expected, query
        assert page["total"] == 3
