"""Lists by cursor and related rows on MariaDB, which orders nulls, numbers and choices in ways of its own."""

from collections.abc import AsyncGenerator
from typing import Any

import pytest

from fastapi_kit.crud import CRUDRouter, Links, Many, One, Query
from fastapi_kit.db import Database
from fastapi_kit.testing import client
from tests.crud.entries import COLUMNS, ROUTER, Entries, Lists, plain, with_each
from tests.crud.library import app_with, create_tables, store
from tests.crud.shop import Author, Book, Chapter, Edition, Shop, Tag, book_tag

pytestmark = [pytest.mark.anyio, pytest.mark.mariadb]


@pytest.fixture
async def lists(mariadb: Database) -> AsyncGenerator[Lists]:
    """Entries, from an empty table."""
    await create_tables(mariadb, Entries)
    async with client(app_with(mariadb, ROUTER)) as api:
        yield Lists(api, mariadb)


@pytest.mark.parametrize("column", [column for column in COLUMNS if column != "text"])
async def test_every_type_is_walked(lists: Lists, column: str) -> None:
    """Pages up and down, forwards and backwards, are the list in one piece, with nulls and ties."""
    await lists.fill(with_each(column))
    for descending in (False, True):
        for limit in (1, 3):
            await lists.walk_both_ways([(column, descending)], limit)
            await lists.walk_both_ways([("text", not descending), (column, descending)], limit)


async def test_a_search_and_a_filter_are_walked(lists: Lists) -> None:
    """Links lead through a list that is searched, filtered and shows some fields alone."""
    await lists.fill(plain(6))
    pages = await lists.walk("search=B%20c&id__gte=2&above=2&fields=text&sort=-id&limit=3", "next")
    assert [len(page) for page in pages] == [3, 1]


async def test_related_rows(mariadb: Database) -> None:
    """Filters through relationships and includes are as elsewhere: the first ones of each row, and no row twice."""
    await create_tables(mariadb, Shop)
    await store(mariadb, Author, {"id": 1, "name": "Ann"})
    await store(
        mariadb, Book, *({"id": n, "slug": str(n), "title": "T", "author_id": 1 if n == 1 else None} for n in (1, 2))
    )
    await store(mariadb, Chapter, *({"book_id": 1, "title": f"c{n}", "pages": n} for n in range(4)))
    await store(mariadb, Edition, {"book_id": 1, "year": 2000, "price": 2, "copies": 3})
    await store(mariadb, Tag, {"id": 1, "word": "fun"})
    async with mariadb.engine.begin() as connection:
        await connection.execute(book_tag.insert(), [{"book_id": 1, "tag_id": 1}, {"book_id": 2, "tag_id": 1}])
    router = CRUDRouter(
        Book,
        prefix="/books",
        query=Query(filter={"chapters.pages": {"gte"}, "author.name": {"eq"}, "tags.word": {"eq"}}, sparse=True),
        include={"author": One(), "chapters": Many(limit=2, sort="-title"), "tags": Links()},
    )
    async with client(app_with(mariadb, router)) as api:

        async def items(query: str) -> Any:
            page = (await api.get(f"/books?fields=id&{query}")).json()
            assert page["total"] == len(page["items"])
            return page["items"]

        assert await items("chapters.pages__gte=1&count=exact") == [{"id": 1}]
        assert await items("author.name=Ann&chapters.pages__gte=3") == [{"id": 1}]
        first, second = await items("tags.word=fun&include=author,chapters,tags")
        assert ([it["title"] for it in first["chapters"]], first["author"]["name"]) == (["c3", "c2"], "Ann")
        assert (second["chapters"], second["author"], [it["word"] for it in second["tags"]]) == ([], None, ["fun"])
