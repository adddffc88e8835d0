"""Walking lists by cursor over HTTP: every row once, in order, whatever is sorted by and whatever happens meanwhile."""

import binascii
import json
import re
from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import httpx2
import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fastapi_kit.crud import CRUDRouter
from fastapi_kit.crud._attributes import read_model
from fastapi_kit.crud._cursors import Cursors
from fastapi_kit.crud._order import Order as Term
from fastapi_kit.db import Database
from fastapi_kit.testing import client
from tests.crud.entries import (
    COLUMNS,
    ROUTER,
    VALUES,
    Entries,
    Entry,
    Items,
    Lists,
    Order,
    Rows,
    flat,
    plain,
    sort_of,
    with_each,
)
from tests.crud.library import VALUES as EVERYTHING
from tests.crud.library import Everything, app_with, create_tables, store

pytestmark = pytest.mark.anyio

rows_of = st.lists(
    st.fixed_dictionaries({"id": st.integers(1, 99), **{name: st.sampled_from(it) for name, it in VALUES.items()}}),
    max_size=9,
    unique_by=lambda row: row["id"],
)
orders = st.lists(st.tuples(st.sampled_from(COLUMNS), st.booleans()), max_size=3, unique_by=lambda term: term[0])


law = settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture
async def lists(database: Database) -> AsyncGenerator[Lists]:
    """Entries, from an empty table."""
    await create_tables(database, Entries)
    async with client(app_with(database, ROUTER)) as api:
        yield Lists(api, database)


@pytest.fixture
async def three(lists: Lists) -> Lists:
    """Three entries."""
    await lists.fill(plain(3))
    return lists


@law
@given(rows=rows_of, order=orders, limit=st.integers(1, 5))
async def test_walking_is_the_whole_list(lists: Lists, rows: Rows, order: Order, limit: int) -> None:
    """Law: all pages, forwards and backwards, are the list in one piece, for rows with ties and nulls in any order."""
    await lists.fill(rows)
    await lists.walk_both_ways(order, limit)


@pytest.mark.parametrize("number", [2**31, -(2**31) - 1, 2**63 - 1])
def test_larger_numbers_than_the_column_says(number: int) -> None:
    """SQLite stores them, and expressions of a column may be that large: such a row has a cursor like any other."""
    attribute = read_model(Entry).attributes["rank"]
    cursors, order = Cursors(), (Term(attribute, descending=True),)
    token = cursors.encode([number], order, b"12345678", backward=False)
    assert cursors.decode(token, order, b"12345678").values == (number,)


@pytest.mark.parametrize("descending", [False, True], ids=["up", "down"])
@pytest.mark.parametrize("column", COLUMNS)
async def test_every_type_is_walked(lists: Lists, column: str, descending: bool) -> None:
    """Rows with each value of a column, null too, each of them twice, are met once in pages of every size."""
    rows = with_each(column)
    await lists.fill(rows)
    for limit in range(1, len(rows) + 1):
        await lists.walk_both_ways([(column, descending)], limit)


@dataclass(frozen=True)
class Walk:
    """How a list is walked."""

    order: Order
    limit: int
    link: str

    def along(self, items: Items) -> list[int]:
        """The keys of a page in the direction of the walk."""
        return [item["id"] for item in (items if self.link == "next" else items[::-1])]


walks = st.builds(Walk, orders, st.integers(1, 3), st.sampled_from(["next", "prev"]))


@law
@given(
    rows=rows_of.filter(lambda rows: len(rows) > 1),
    walk=walks,
    changes=st.lists(st.tuples(st.booleans(), st.integers(0, 8)), max_size=8),
)
async def test_rows_that_come_and_go_move_no_other(
    lists: Lists, rows: Rows, walk: Walk, changes: Sequence[tuple[bool, int]]
) -> None:
    """Law: whatever is made or deleted between two pages, the rows that stay are met once, in order."""
    await lists.fill(rows)
    asked, staying, pending = f"{sort_of(walk.order)}limit={walk.limit}", {row["id"] for row in rows}, list(changes)
    page = await lists.page(asked if walk.link == "next" else f"{asked}&page={-(-len(rows) // walk.limit)}")
    met = walk.along(page["items"])
    while walk.link in page["links"]:
        if pending:
            makes, number = pending.pop()
            row = rows[number % len(rows)]
            if makes:
                await lists.run(sa.insert(Entry).values(**{**row, "id": 1_000 + len(pending)}))
            else:
                staying.discard(row["id"])
                await lists.run(sa.delete(Entry).where(Entry.id == row["id"]))
        page = await lists.page(page["links"][walk.link].removeprefix("?"))
        met += walk.along(page["items"])
    assert len(met) == len(set(met))
    unpaged = walk.along((await lists.page(f"{sort_of(walk.order)}limit=100"))["items"])
    assert [key for key in met if key in staying] == [key for key in unpaged if key in staying]


async def test_what_pages_know_of_each_other(lists: Lists) -> None:
    """The first page has none before it and the last none after it; a page by number has cursors both ways."""
    await lists.fill(plain(5))
    first, second, third = [await lists.page(f"limit=2&page={number}") for number in (1, 2, 3)]
    assert [set(page["links"]) for page in (first, second, third)] == [{"next"}, {"next", "prev"}, {"prev"}]
    following = await lists.page(f"limit=2&cursor={first['next_cursor']}")
    assert following["items"] == second["items"]
    assert following["next_cursor"] == second["next_cursor"]
    preceding = await lists.page(f"limit=2&cursor={third['previous_cursor']}")
    assert preceding["items"] == second["items"]
    back = await lists.page(f"limit=2&cursor={preceding['previous_cursor']}")
    assert (back["items"], set(back["links"])) == (first["items"], {"next"})
    assert (await lists.page(f"limit=2&cursor={back['next_cursor']}"))["items"] == second["items"]
    other_length = await lists.page(f"limit=3&cursor={first['next_cursor']}")
    assert [item["id"] for item in other_length["items"]] == [3, 4, 5]


@pytest.mark.parametrize(
    ("query", "total"), [("id=9", 0), ("id=9&count=none", None), ("page=1000000&limit=100", 3), ("search=none", 0)]
)
async def test_a_page_of_nothing(three: Lists, query: str, total: int | None) -> None:
    """An empty page, be it the first or one past the end, has no cursors and no links."""
    page = await three.page(query)
    assert (page["items"], page["total"]) == ([], total)
    assert (page["next_cursor"], page["previous_cursor"], page["links"]) == (None, None, {})


@pytest.mark.parametrize(
    ("count", "total"), [("", None), ("&count=none", None), ("&count=exact", 4), ("&count=capped", 4)]
)
async def test_the_total_of_a_page_by_cursor(lists: Lists, count: str, total: int | None) -> None:
    """It is not counted again unless asked for, and then is that of the whole list, from any page."""
    await lists.fill(plain(5))
    page = await lists.page("id__gte=2&limit=1")
    assert page["total"] == 4
    for link in ("next", "next", "prev"):
        cursor = page["next_cursor" if link == "next" else "previous_cursor"]
        page = await lists.page(f"id__gte=2&limit=1&cursor={cursor}{count}")
        assert (page["total"], page["total_relation"]) == (total, "eq")


async def test_the_order_need_not_be_shown(lists: Lists) -> None:
    """Pages go on by columns that `fields=` leaves out, the key among them."""
    await lists.fill(plain(5))
    pages = await lists.walk("fields=text&sort=-rank,-id&limit=2", "next")
    assert [len(page) for page in pages] == [2, 2, 1]
    assert all(set(item) == {"text"} for item in flat(pages))
    pages = await lists.walk("fields=id&sort=-rank,-id&limit=2", "next")
    assert [item["id"] for item in flat(pages)] == [5, 3, 1, 4, 2]


async def test_a_text_that_fits_into_no_cursor(database: Database) -> None:
    """Where a row's place is too long to be told, there is no cursor, and pages by number go on."""
    await create_tables(database)
    await store(database, Everything, *({**EVERYTHING, "text": letter * 3_000} for letter in "cab"))
    async with client(app_with(database, CRUDRouter(Everything, prefix="/rows"))) as api:
        pages = [await api.get(f"/rows?sort=text&limit=1&page={page}") for page in (1, 2, 3)]
    assert [page.json()["items"][0]["id"] for page in pages] == [2, 3, 1]
    assert [page.json()["next_cursor"] for page in pages] == [None] * 3
    assert all("link" not in page.headers for page in pages)


LIST = "sort=-rank&text__contains=c&id__in=1&id__in=2&id__in=3&above=0&search=b"


@pytest.mark.parametrize(
    "other",
    [
        "",
        LIST.replace("-rank", "rank"),
        LIST.replace("-rank", "-rank,text"),
        LIST.replace("-rank", "-number"),
        LIST.replace("contains=c", "contains=b"),
        LIST.replace("contains", "icontains"),
        LIST.replace("&id__in=3", ""),
        LIST.replace("&id__in=3", "&id__in=4"),
        LIST.replace("above=0", "above=1"),
        LIST.replace("&search=b", ""),
        LIST.replace("search=b", "search=c"),
        LIST.replace("search=b", "search=b%20c"),
        LIST.replace("&search=b", "&search=above=0").replace("&above=0", "&text=b", 1),
    ],
    ids=lambda query: query or "nothing",
)
async def test_a_cursor_is_of_one_list(lists: Lists, other: str) -> None:
    """With another order, filter, value or search there is no such page, as it would be one of the wrong rows."""
    await lists.fill(plain(3))
    cursor = (await lists.page(f"{LIST}&limit=1"))["next_cursor"]
    assert await lists.status(f"{LIST}&limit=1&cursor={cursor}") == 200
    assert await lists.status(f"{other}&cursor={cursor}") == 404


async def test_a_word_is_no_filter(lists: Lists) -> None:
    """A cursor of a filter is none of a search for the filter's text."""
    await lists.fill([{**row, "text": "text=x", "note": None} for row in plain(3)])
    cursor = (await lists.page("limit=1&search=text=x"))["next_cursor"]
    assert cursor
    assert await lists.status(f"text=x&cursor={cursor}") == 404


@pytest.mark.parametrize("query", ["page=1&cursor={}", "page=2&cursor={}", "cursor={}&cursor={}", "cursor=", "cursor"])
async def test_there_is_one_place_in_a_list(lists: Lists, query: str) -> None:
    """A page together with a cursor names no page; two cursors or none are malformed."""
    await lists.fill(plain(3))
    cursor = (await lists.page("limit=1"))["next_cursor"]
    assert await lists.status(query.replace("{}", cursor)) == (404 if "page" in query else 422)


@pytest.mark.parametrize(
    "query",
    [
        "limit=1&%63ursor={}",
        "%63ursor={}&limit=1",
        "limit=1&cursor={}&sort=id&text__ne=%26%3D%2B%20%3E",
        "limit=1&cursor={}&sort=id&text__ne=<>;\"^`{|}'",
        "p%61ge=2&limit=1",
        "&&limit=1&&cursor={}",
    ],
)
async def test_links_are_good_in_any_spelling(lists: Lists, query: str) -> None:
    """However a client writes its parameters, the links beside a page lead to the pages beside it."""
    await lists.fill(plain(5))
    base = re.sub(r"&?(cursor=\{\}|%63ursor=\{\})", "", query) if "{}" in query else "limit=1"
    cursor = (await lists.page(base))["next_cursor"]
    response = await lists.api.get(httpx2.URL("http://test/entries").copy_with(raw_path=raw(query, cursor)))
    assert response.status_code == 200, response.text
    assert [item["id"] for item in response.json()["items"]] == [2]
    following = await lists.api.get("/entries" + response.links["next"]["url"])
    assert [item["id"] for item in following.json()["items"]] == [3]
    preceding = await lists.api.get("/entries" + response.links["prev"]["url"])
    assert [item["id"] for item in preceding.json()["items"]] == [1]


def raw(query: str, cursor: str) -> bytes:
    """The path of a list with a query that no client has made tidy."""
    return f"/entries?{query.replace('{}', cursor)}".encode()


characters = st.sampled_from('ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_=+/%,"[]. \0é')


def edited(token: bytes, changes: Sequence[tuple[str, int, str]]) -> bytes:
    """A token, or what is in it, with characters put in, taken out or changed."""
    for kind, where, character in changes:
        place = where % (len(token) + 1)
        put = b"" if kind == "take" else character.encode()
        token = token[:place] + put + token[place + (kind != "put") :]
    return token


def encoded(inside: bytes) -> bytes:
    """A token with this in it."""
    return binascii.b2a_base64(inside, newline=False).translate(bytes.maketrans(b"+/", b"-_")).rstrip(b"=")


def decoded(token: bytes) -> bytes:
    """What is in a token."""
    return binascii.a2b_base64(token.translate(bytes.maketrans(b"-_", b"+/")) + b"==")


def edited_inside(token: bytes, changes: Sequence[tuple[str, int, str]]) -> bytes:
    """A token with changes in what it stands for."""
    return encoded(edited(decoded(token), changes))


def with_values(token: bytes, values: object) -> bytes:
    """A token with other values, but of the same list."""
    return encoded(decoded(token)[:9] + json.dumps(values).encode())


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9) | st.sampled_from([2**63, 10**400]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=2), inner, max_size=2),
    max_leaves=5,
)
edits = st.lists(st.tuples(st.sampled_from(["put", "take", "change"]), st.integers(0, 200), characters), max_size=4)
Change = tuple[Callable[[bytes, Any], bytes], Any]


@settings(law, max_examples=300)
@given(
    order=orders,
    change=st.tuples(st.sampled_from([edited, edited_inside]), edits) | st.tuples(st.just(with_values), values),
)
async def test_a_cursor_that_was_changed(three: Lists, order: Order, change: Change) -> None:
    """Law: whatever is done to a cursor, it is refused or names a place in the list; it is never a failure."""
    unpaged = (await three.page(f"{sort_of(order)}limit=100"))["items"]
    cursor = (await three.page(f"{sort_of(order)}limit=1"))["next_cursor"]
    changed = quote(change[0](cursor.encode(), change[1]), safe="")
    response = await three.api.get(f"/entries?{sort_of(order)}limit=100&cursor={changed}")
    if response.status_code not in {404, 422}:
        items = (await three.page(f"{sort_of(order)}limit=100&cursor={changed}"))["items"]
        assert items in [unpaged[start:stop] for start in range(4) for stop in range(start, 4)]
