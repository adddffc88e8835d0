"""Searches for words over several columns, and filters of one's own."""

import re
from collections.abc import AsyncGenerator
from typing import Annotated, Any

import httpx2
import pytest
import sqlalchemy as sa
from fastapi import FastAPI
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import Field

from fastapi_kit.crud import TEXT, CRUDRouter, NamedFilter, Query, ResourceError
from fastapi_kit.crud._parameters import MOST_WORDS
from fastapi_kit.crud._reader import words_of
from fastapi_kit.db import Database
from fastapi_kit.testing import client
from tests.crud.library import City, Note, app_with, create_tables, store
from tests.crud.shop import Author, Book, Chapter, Shelf, Shop, Tag, book_tag

pytestmark = pytest.mark.anyio

AUTHORS = ({"id": 1, "name": "Ann Ash"}, {"id": 2, "name": "Bo 100%"})
BOOKS = (
    {"id": 1, "slug": "red-tree", "title": "The Red Tree", "author_id": 1, "pages": 100},
    {"id": 2, "slug": "blue_tree", "title": "A Blue Tree", "author_id": 2, "pages": 200},
    {"id": 3, "slug": "ash", "title": "Ash", "author_id": None, "pages": None},
)
CHAPTERS = (
    {"book_id": 1, "title": "Roots and leaves"},
    {"book_id": 1, "title": "More roots"},
    {"book_id": 3, "title": "Of leaves"},
)
ROUTER = CRUDRouter(
    Book,
    prefix="/books",
    query=Query(
        filter={
            "title": TEXT,
            "long": NamedFilter(Annotated[int, Field(ge=0, le=1_000)], lambda pages: Book.pages > pages),
            "tagged": NamedFilter(
                str,
                lambda word: sa.exists(
                    sa.select(Tag.id)
                    .join(book_tag, book_tag.c.tag_id == Tag.id)
                    .where(book_tag.c.book_id == Book.id, Tag.word == word)
                ),
            ),
            "early": NamedFilter(bool, lambda early: early == (Book.id < 2), sa.Boolean()),
        },
        search={"title", "slug", "author.name", "chapters.title"},
        default_sort="id",
        max_terms=4,
    ),
)


@pytest.fixture
async def api(database: Database) -> AsyncGenerator[httpx2.AsyncClient]:
    """Three books, which can be searched for by their own words and those of authors and chapters."""
    await create_tables(database, Shop)
    await store(database, Author, *AUTHORS)
    await store(database, Book, *BOOKS)
    await store(database, Chapter, *CHAPTERS)
    await store(database, Tag, {"id": 1, "word": "old"})
    async with database.engine.begin() as connection:
        await connection.execute(sa.insert(book_tag).values(book_id=2, tag_id=1))
    async with client(app_with(database, ROUTER)) as api:
        yield api


async def ids(api: httpx2.AsyncClient, *parameters: tuple[str, str]) -> list[int]:
    """The keys of a list, whose total is that of its items."""
    response = await api.get("/books", params=[("count", "exact"), *parameters])
    assert response.status_code == 200, response.text
    page = response.json()
    assert page["total"] == len(page["items"])
    return [item["id"] for item in page["items"]]


@pytest.mark.parametrize(
    ("search", "expected"),
    [
        ("tree", [1, 2]),
        ("TREE", [1, 2]),
        ("tree red", [1]),
        ("  red \t tree ", [1]),
        ("red blue", []),
        ("ash", [1, 3]),
        ("ann tree", [1]),
        ("roots", [1]),
        ("leaves ash", [1, 3]),
        ("roots ann the red", [1]),
        ("100%", [2]),
        ("%", [2]),
        ("blue_tree", [2]),
        ("red_tree", []),
        ("/", []),
        ("\\", []),
        ("'", []),
        ("tree tree", [1, 2]),
    ],
)
async def test_each_word_is_in_one_of_the_columns(api: httpx2.AsyncClient, search: str, expected: list[int]) -> None:
    """All words must be found, each in any column of the row or of what it is related to, as they are."""
    assert await ids(api, ("search", search)) == expected


async def test_a_search_goes_together_with_filters(api: httpx2.AsyncClient) -> None:
    """Both must hold, and the total is that of both."""
    assert await ids(api, ("search", "tree"), ("title__contains", "Blue")) == [2]
    assert await ids(api, ("search", "tree"), ("title", "Ash")) == []


WORDS = st.text("aAbB%_/\\'", min_size=1, max_size=3)


@pytest.fixture
async def notes(database: Database) -> AsyncGenerator[tuple[httpx2.AsyncClient, Database]]:
    """Notes, which can be searched for by both of their texts."""
    await create_tables(database)
    query = Query(search={"text", "mood"}, limit=100)
    async with client(app_with(database, CRUDRouter(Note, prefix="/notes", query=query))) as api:
        yield api, database


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    rows=st.lists(st.tuples(st.text("aAbB%_/\\' ", max_size=5), st.none() | WORDS), max_size=6),
    words=st.lists(WORDS, min_size=1, max_size=3),
)
async def test_a_search_finds_what_python_finds(
    notes: tuple[httpx2.AsyncClient, Database], rows: list[tuple[str, str | None]], words: list[str]
) -> None:
    """Law: a row is found if each word is part of one of its texts, in upper or lower case, whatever its characters."""
    api, database = notes
    async with database.engine.begin() as connection:
        await connection.execute(sa.delete(Note))
    await store(database, Note, *({"text": text, "mood": mood} for text, mood in rows))
    page = (await api.get("/notes", params={"search": " ".join(words)})).json()
    found = sorted((item["text"], item["mood"] or "") for item in page["items"])
    texts = [(text, mood or "") for text, mood in rows]
    assert found == sorted(
        row for row in texts if all(any(word.lower() in text.lower() for text in row) for word in words)
    )


@pytest.mark.parametrize(
    ("query", "parameter"),
    [
        ("search=", "search"),
        ("search=%20%09", "search"),
        ("search=%C2%A0", "search"),
        ("search=a%00b", "search"),
        (f"search={'a' * 201}", "search"),
        (f"search=a{'%20' * 200}", "search"),
        ("search=a&search=b", "search"),
        ("search=%FF", ""),
        ("search=%ED%A0%80", ""),
        ("search=a%20b%20c%20d%20e%20f%20g%20h%20i%20j%20k", "search"),
        ("title=x&title__ne=y&title__in=x&title__contains=x&title__startswith=x", ""),
    ],
    ids=[
        *("empty", "blank", "no-break-space", "nul", "long", "long-by-blanks", "twice"),
        *("no-utf-8", "surrogate", "many-words", "many-terms"),
    ],
)
async def test_a_search_has_limits(api: httpx2.AsyncClient, query: str, parameter: str) -> None:
    """What is no search, or too much of one, is refused before the database sees it."""
    response = await api.get(f"/books?{query}")
    assert response.status_code == 422
    assert [error["loc"] for error in response.json()["errors"]] == [["query", parameter]]


async def test_the_longest_search_is_served(api: httpx2.AsyncClient) -> None:
    """200 characters and as many terms as are allowed are one search, in any alphabet."""
    assert await ids(api, ("search", "é" * 200)) == []
    assert await ids(api, ("search", "t r e"), ("title__ne", "x")) == [1, 2]


async def test_no_search_without_columns(database: Database) -> None:
    """Where nothing is declared, `search` is an unknown parameter like any other."""
    await create_tables(database, Shop)
    async with client(app_with(database, CRUDRouter(Shelf, prefix="/shelves"))) as api:
        response = await api.get("/shelves?search=a")
    assert (response.status_code, response.json()["errors"][0]["type"]) == (422, "extra_forbidden")


@pytest.mark.parametrize(
    ("model", "path", "message"),
    [
        (Book, "pages", "search: pages is no column of text"),
        (Book, "author.tenant", "search: author.tenant is no column of text"),
        (Book, "author.secret", "'author.secret' is no column that clients can read"),
        (City, "secret", "'secret' is no column that clients can read"),
        (Book, "writer.name", "'writer' is no relationship of Book"),
    ],
)
def test_only_visible_text_is_searched(model: Any, path: str, message: str) -> None:
    """A search over anything else is refused when the router is made."""
    with pytest.raises(ResourceError) as raised:
        CRUDRouter(model, prefix="/rows", query=Query(search={path}))
    assert message in str(raised.value)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("long=100", [2]),
        ("long=0", [1, 2]),
        ("tagged=old", [2]),
        ("tagged=%27%20OR%201=1%20--", []),
        ("early=true", [1]),
        ("early=false", [2, 3]),
        ("long=50&early=true&search=tree", [1]),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_a_filter_of_ones_own(api: httpx2.AsyncClient, query: str, expected: list[int]) -> None:
    """It has a name of its own, brings any condition, and its value is bound like any other."""
    assert await ids(api, *httpx2.QueryParams(query).multi_items()) == expected


@pytest.mark.parametrize("query", ["long=1001", "long=-1", "long=x", "long=1&long=2", "long__eq=1", "early=maybe"])
async def test_the_value_of_a_filter_of_ones_own_is_checked(api: httpx2.AsyncClient, query: str) -> None:
    """Its annotation is held to; it has no operators, and one value."""
    assert (await api.get(f"/books?{query}")).status_code == 422


def test_a_filter_of_ones_own_is_described() -> None:
    """OpenAPI has the type and bounds of its value."""
    described = app_with(Database("sqlite://"), ROUTER).openapi()["paths"]["/books"]["get"]["parameters"]
    schemas = {parameter["name"]: parameter["schema"] for parameter in described}
    assert schemas["long"] == {"type": "integer", "minimum": 0, "maximum": 1_000}
    assert schemas["early"] == {"type": "boolean"}
    assert schemas["search"]["maxLength"] == 200


@pytest.mark.parametrize("name", ["title", "page", "search", "long__filter"])
def test_the_name_of_a_filter_of_ones_own_is_new(name: str) -> None:
    """It cannot be taken for a column, a parameter or an operator."""
    with pytest.raises(ResourceError, match="a filter of one's own needs a name that nothing else has"):
        CRUDRouter(Book, prefix="/books", query=Query(filter={name: NamedFilter(int, lambda it: Book.pages > it)}))


def document() -> Any:
    """The OpenAPI document of the books."""
    app = FastAPI()
    app.include_router(ROUTER)
    return app.openapi()


DOCUMENT = document()


@given(text=st.text(st.sampled_from("ab\0\t\x1c \x85\xa0\u2028\u3000\ufeff"), max_size=12))
async def test_words_are_what_the_document_says(text: str) -> None:
    """A search is served just if the pattern in the OpenAPI document takes it, as ECMA-262 reads patterns."""
    described = DOCUMENT["paths"]["/books"]["get"]["parameters"]
    (schema,) = (parameter["schema"] for parameter in described if parameter["name"] == "search")
    words = words_of(text)
    assert bool(re.search(schema["pattern"], text)) == (0 < len(words) <= MOST_WORDS and "\0" not in text)
    assert "".join(words) == "".join(letter for letter in text if letter in "ab\0\x1c\x85\ufeff")
