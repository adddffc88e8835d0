"""The law of lists: for any rows and any request, the answer is what plain Python finds."""

from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import httpx2
import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from fastapi_kit.crud import EQUALITY, RANGE, TEXT, CRUDRouter, Query
from fastapi_kit.db import Database
from fastapi_kit.testing import client
from tests.crud.library import app_with, create_tables

pytestmark = pytest.mark.anyio

# Databases sort text by the rules of their languages; by code points they all agree with Python.
BY_CODE_POINT = sa.String(8).with_variant(sa.String(8, collation="C"), "postgresql")


class Models(DeclarativeBase):
    """A registry for these tests alone."""


class Word(Models):
    """A row with text, numbers, dates and choices, with and without null."""

    __tablename__ = "word"
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    text: Mapped[str] = mapped_column(BY_CODE_POINT)
    note: Mapped[str | None] = mapped_column(BY_CODE_POINT)
    number: Mapped[int | None]
    day: Mapped[date | None]
    level: Mapped[str] = mapped_column(sa.Enum("high", "low", name="word_level"))
    page: Mapped[int] = mapped_column(sa.SmallInteger, comment="Named like a parameter")


Row = Mapping[str, Any]
COLUMNS = ("id", "text", "note", "number", "day", "level", "page")
NULLABLE = {"note", "number", "day"}

texts = st.text("aAbB%_/\\' ,é", max_size=4)
numbers = st.integers(-3, 3)
days = st.dates(date(2024, 1, 1), date(2024, 1, 5))
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "id": st.integers(1, 30),
    "text": texts,
    "note": texts,
    "number": numbers,
    "day": days,
    "level": st.sampled_from(["high", "low"]),
    "page": st.integers(0, 2),
}
stored = st.lists(
    st.fixed_dictionaries(
        {name: values | st.none() if name in NULLABLE else values for name, values in VALUES.items()}
    ),
    max_size=12,
    unique_by=lambda row: row["id"],
)

MATCHES: dict[str, Callable[[Any, Any], bool]] = {
    "eq": lambda stored, asked: stored == asked,
    "ne": lambda stored, asked: stored != asked,
    "in": lambda stored, asked: stored in asked,
    "not_in": lambda stored, asked: stored not in asked,
    "lt": lambda stored, asked: stored is not None and stored < asked,
    "lte": lambda stored, asked: stored is not None and stored <= asked,
    "gt": lambda stored, asked: stored is not None and stored > asked,
    "gte": lambda stored, asked: stored is not None and stored >= asked,
    "contains": lambda stored, asked: stored is not None and asked in stored,
    "icontains": lambda stored, asked: stored is not None and asked.lower() in stored.lower(),
    "startswith": lambda stored, asked: stored is not None and stored.startswith(asked),
    "isnull": lambda stored, asked: (stored is None) is asked,
}
"""What each operator means, of a stored value and the value that a client asks for."""


@dataclass(frozen=True)
class Filter:
    """One filter of a request, and its meaning."""

    column: str
    operator: str
    asked: Any

    def parameters(self) -> list[tuple[str, str]]:
        """The filter in a query string: lists repeated, or by comma where text cannot hold one."""
        name = f"{self.column}__{self.operator}"
        if self.operator not in {"in", "not_in"}:
            return [(name, str(self.asked).lower() if self.operator == "isnull" else str(self.asked))]
        if self.column in {"text", "note"}:
            return [(name, asked) for asked in self.asked]
        return [(name, ",".join(map(str, self.asked)))]

    def holds(self, row: Row) -> bool:
        """Whether a row passes."""
        return MATCHES[self.operator](row[self.column], self.asked)


def operators(column: str) -> set[str]:
    """The operators of a column, by the documentation."""
    kinds = {"text": TEXT, "note": TEXT, "level": EQUALITY}
    return set(kinds.get(column, RANGE)) - (set() if column in NULLABLE else {"isnull"})


def asked_of(column: str, operator: str) -> st.SearchStrategy[Any]:
    """Values that a client asks for."""
    match operator:
        case "isnull":
            return st.booleans()
        case "in" | "not_in":
            return st.lists(VALUES[column], min_size=1, max_size=3)
        case _:
            return VALUES[column]


@st.composite
def filters(draw: st.DrawFn) -> Filter:
    """Any filter."""
    column = draw(st.sampled_from(COLUMNS))
    operator = draw(st.sampled_from(sorted(operators(column))))
    return Filter(column, operator, draw(asked_of(column, operator)))


orders = st.lists(st.tuples(st.sampled_from(COLUMNS), st.booleans()), max_size=3, unique_by=lambda term: term[0])
filterings = st.lists(filters(), max_size=2, unique_by=lambda made: (made.column, made.operator))


def in_order(rows: Sequence[Row], order: Sequence[tuple[str, bool]]) -> list[Row]:
    """`rows` sorted by `order`, null being larger than any value, and then by key."""
    result = sorted(rows, key=lambda row: row["id"])
    for column, descending in reversed(order):
        result.sort(key=lambda row: (row[column] is None, row[column] or type(row[column])()), reverse=descending)
    return result


def sort_parameter(order: Sequence[tuple[str, bool]]) -> list[tuple[str, str]]:
    """The order in a query string."""
    return [("sort", ",".join(f"-{name}" if descending else name for name, descending in order))] if order else []


def shown(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """Rows as their JSON shows them."""
    return [{**row, "day": row["day"] and row["day"].isoformat()} for row in rows]


@dataclass(frozen=True)
class Library:
    """An app on a database whose rows a test sets."""

    api: httpx2.AsyncClient
    database: Database

    async def fill(self, rows: Sequence[Row]) -> None:
        """Store these rows and no others."""
        async with self.database.engine.begin() as connection:
            await connection.execute(sa.delete(Word))
            if rows:
                await connection.execute(sa.insert(Word), [dict(row) for row in rows])

    async def page(self, *parameters: tuple[str, str]) -> dict[str, Any]:
        """The answer to a list request."""
        response = await self.api.get("/words", params=list(parameters))
        assert response.status_code == 200, response.text
        page: dict[str, Any] = response.json()
        return page


@pytest.fixture
async def library(database: Database) -> AsyncGenerator[Library]:
    """Words, served with all that can be asked for."""
    await create_tables(database, Models)
    router = CRUDRouter(Word, prefix="/words", query=Query(default_sort="-number", limit=3, max_limit=100))
    async with client(app_with(database, router)) as api:
        yield Library(api, database)


@dataclass(frozen=True)
class Asked:
    """A request for a list, and its meaning."""

    filtering: Sequence[Filter]
    order: Sequence[tuple[str, bool]]
    limit: int
    page: int
    count: str

    def parameters(self) -> list[tuple[str, str]]:
        """The request's query string."""
        filtering = [parameter for each in self.filtering for parameter in each.parameters()]
        page = [("limit", str(self.limit)), ("page", str(self.page)), ("count", self.count)]
        return [*filtering, *sort_parameter(self.order), *page]

    def matches(self, rows: Sequence[Row]) -> list[Row]:
        """The rows that the filters let through."""
        return [row for row in rows if all(each.holds(row) for each in self.filtering)]

    def items(self, rows: Sequence[Row]) -> list[Row]:
        """The rows of the page."""
        ordered = in_order(self.matches(rows), self.order or [("number", True)])
        return ordered[(self.page - 1) * self.limit : self.page * self.limit]


counts = st.sampled_from(["none", "capped", "exact"])
requests = st.builds(Asked, filterings, orders, st.integers(1, 6), st.integers(1, 4), counts)
law = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@law
@given(rows=stored, asked=requests)
async def test_a_list_is_what_python_finds(library: Library, rows: Sequence[Row], asked: Asked) -> None:
    """Law: filters, order, page and total are those of an oracle, null and wildcards included."""
    await library.fill(rows)
    answer = await library.page(*asked.parameters())
    assert answer["items"] == shown(asked.items(rows))
    assert answer["total"] == (None if asked.count == "none" else len(asked.matches(rows)))
    assert answer["total_relation"] == "eq"


@law
@given(rows=stored, order=orders, limit=st.integers(1, 5))
async def test_all_pages_are_all_rows(
    library: Library, rows: Sequence[Row], order: Sequence[tuple[str, bool]], limit: int
) -> None:
    """Law: walking the pages to the first empty one meets each row once, in order, however many are equal."""
    await library.fill(rows)
    met: list[Any] = []
    for page in range(1, len(rows) + 2):
        answer = await library.page(*sort_parameter(order), ("limit", str(limit)), ("page", str(page)))
        met += answer["items"]
        if not answer["items"]:
            break
    assert met == shown(in_order(rows, order or [("number", True)]))


patterns = st.text("aA%_/\\", max_size=3)


@law
@given(stored=st.lists(patterns, min_size=1, max_size=8), asked=patterns)
async def test_text_is_matched_as_it_is(library: Library, stored: list[str], asked: str) -> None:
    """Law: no character of a text means anything but itself."""
    rows = [{**row, "text": text} for row, text in zip(words(len(stored)), stored, strict=True)]
    await library.fill(rows)
    for operator in ("contains", "icontains", "startswith"):
        answer = await library.page((f"text__{operator}", asked), ("sort", "id"), ("limit", "100"))
        assert answer["items"] == shown([row for row in rows if MATCHES[operator](row["text"], asked)]), operator


def words(count: int) -> list[dict[str, Any]]:
    """That many rows, numbered from 1."""
    row = {"text": "a", "note": None, "number": None, "day": None, "level": "low", "page": 0}
    return [{"id": number, **row} for number in range(1, count + 1)]


@pytest.mark.parametrize(
    ("count", "page", "total", "relation"),
    [
        ("capped", "1", 10_000, "gte"),
        ("exact", "1", 10_002, "eq"),
        ("none", "1", None, "eq"),
        ("capped", "9999", 10_000, "gte"),
        ("exact", "9999", 10_002, "eq"),
        ("capped", "101", 10_002, "eq"),
    ],
    ids=["capped", "exact", "none", "capped-past-the-end", "exact-past-the-end", "capped-last-page"],
)
async def test_a_capped_total_says_that_there_are_more(
    library: Library, count: str, page: str, total: int | None, relation: str
) -> None:
    """Counting stops at 10,000, unless the total is asked for or known without counting."""
    await library.fill(words(10_002))
    answer = await library.page(("count", count), ("limit", "100"), ("page", page), ("sort", "id"))
    assert (answer["total"], answer["total_relation"]) == (total, relation)


async def test_a_cap_that_is_just_reached_is_exact(library: Library) -> None:
    """10,000 rows are counted as 10,000, and no more are claimed."""
    await library.fill(words(10_000))
    answer = await library.page()
    assert (answer["total"], answer["total_relation"]) == (10_000, "eq")


async def test_what_a_list_is_by_default(library: Library) -> None:
    """The router's own order and limit hold where a request says nothing, and the short form is `eq`."""
    rows = [{**row, "number": row["id"] % 3, "text": "ab"[row["id"] % 2]} for row in words(6)]
    await library.fill(rows)
    assert [row["id"] for row in (await library.page())["items"]] == [2, 5, 1]
    assert [row["id"] for row in (await library.page(("text", "a")))["items"]] == [2, 4, 6]
    assert (await library.page(("text", "a"))) == (await library.page(("text__eq", "a")))


async def test_a_column_named_like_a_parameter_has_the_long_form_only(library: Library) -> None:
    """`page` is the page; the column is `page__eq`."""
    await library.fill([{**row, "page": row["id"]} for row in words(3)])
    assert [row["id"] for row in (await library.page(("page__eq", "2")))["items"]] == [2]
    assert (await library.page(("page", "2")))["items"] == []


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("nubmer", "'number'"),
        ("number__gteq", "'number__gte'"),
        ("text_contains", "'text__contains'"),
        ("limt", "'limit'"),
        ("pages", "'page'"),
        ("quite_another", None),
    ],
)
async def test_an_unknown_parameter_is_refused_with_a_suggestion(library: Library, name: str, hint: str | None) -> None:
    """What was probably meant is said; what resembles nothing is only refused."""
    response = await library.api.get("/words", params={name: "1"})
    assert response.status_code == 422
    (error,) = response.json()["errors"]
    assert error["loc"] == ["query", name]
    assert error["type"] == "extra_forbidden"
    assert error["msg"] == "There is no such parameter" + (f"; did you mean {hint}?" if hint else "")


async def test_all_errors_are_told_at_once(library: Library) -> None:
    """A client can correct everything in one go."""
    response = await library.api.get(
        "/words?number=x&limit=0&sort=nothing&nothing=1&text=a&text=b&day__in=x,2024-01-01"
    )
    assert response.status_code == 422
    assert {error["loc"][1] for error in response.json()["errors"]} == {
        *("number", "limit", "sort", "nothing", "text", "day__in")
    }


async def test_suggestions_are_few(library: Library) -> None:
    """Looking for similar names costs time, which a client cannot make a request spend a thousand times."""
    response = await library.api.get("/words", params=[(f"numbr{number}", "1") for number in range(9)])
    messages = [error["msg"] for error in response.json()["errors"]]
    assert [message for message in messages if "did you mean" in message] == messages[:5]
    assert len(messages) == 9
