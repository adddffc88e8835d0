"""Related rows that come with a row: what they are, how many, and what they cost."""

from collections.abc import AsyncGenerator, Mapping
from typing import Any

import httpx2
import pytest
import sqlalchemy as sa
from fastapi import Depends, Request

from fastapi_kit.crud import CRUDRouter, Links, Many, One, Query, ResourceError, set_principal
from fastapi_kit.db import Database
from fastapi_kit.testing import client
from tests.crud.counting import Statements
from tests.crud.library import app_with, create_tables, store
from tests.crud.shop import Author, Book, Chapter, Shop, Tag, book_tag

pytestmark = pytest.mark.anyio

INCLUDE: Mapping[str, One | Many] = {"author": One(), "chapters": Many(limit=2, sort="-pages,title"), "tags": Links()}


def books(include: Mapping[str, One | Many] = INCLUDE, **options: Any) -> CRUDRouter[Book]:
    """Books, with what belongs to them."""
    options.setdefault("query", Query(default_sort="id", sparse=True))
    return CRUDRouter(Book, prefix="/books", routes={"list", "get"}, include=include, **options)


async def fill(database: Database) -> None:
    """Store three books: one with much that belongs to it, one with little, one with nothing."""
    await create_tables(database, Shop)
    await store(database, Author, {"id": 1, "name": "Ann"}, {"id": 2, "name": "Bo", "tenant": 2})
    await store(
        database,
        Book,
        {"id": 1, "slug": "a", "title": "A", "author_id": 1},
        {"id": 2, "slug": "b", "title": "B", "author_id": 2},
        {"id": 3, "slug": "c", "title": "C"},
    )
    chapters = [(1, "one", 10), (1, "two", 30), (1, "three", 20), (1, "four", 20), (2, "only", 5)]
    await store(database, Chapter, *({"book_id": book, "title": title, "pages": n} for book, title, n in chapters))
    await store(database, Tag, {"id": 1, "word": "old"}, {"id": 2, "word": "fun"})
    async with database.engine.begin() as connection:
        pairs = [(1, 2), (1, 1), (2, 2)]
        await connection.execute(sa.insert(book_tag), [{"book_id": book, "tag_id": tag} for book, tag in pairs])


@pytest.fixture
async def shop(database: Database) -> Database:
    """A database with three books."""
    await fill(database)
    return database


@pytest.fixture
async def api(shop: Database) -> AsyncGenerator[httpx2.AsyncClient]:
    """Books, with all that may be included."""
    async with client(app_with(shop, books())) as api:
        yield api


async def got(api: httpx2.AsyncClient, path: str) -> Any:
    """The JSON of an answer."""
    response = await api.get(path)
    assert response.status_code == 200, response.text
    return response.json()


ANN = {"id": 1, "name": "Ann", "tenant": 1}
BO = {"id": 2, "name": "Bo", "tenant": 2}
OLD, FUN = {"id": 1, "word": "old"}, {"id": 2, "word": "fun"}


async def test_a_row_has_what_was_asked_for(api: httpx2.AsyncClient) -> None:
    """To one it is an object or null, to many a list, maybe empty; what was not asked for is not there."""
    items = (await got(api, "/books?include=tags,author"))["items"]
    assert [(item["author"], item["tags"]) for item in items] == [(ANN, [OLD, FUN]), (BO, [FUN]), (None, [])]
    assert all("chapters" not in item for item in items)
    assert (await got(api, "/books/3?include=author")) == {**await got(api, "/books/3"), "author": None}
    plain = (await got(api, "/books"))["items"]
    assert [{**item, "author": ..., "tags": ...} for item in plain] == [
        {**item, "author": ..., "tags": ...} for item in items
    ]


async def test_one_row_is_answered_as_in_the_list(api: httpx2.AsyncClient) -> None:
    """GET of each row gives what the list has of it, with everything included."""
    items = (await got(api, "/books?include=author,chapters,tags"))["items"]
    assert [await got(api, f"/books/{item['id']}?include=author,chapters,tags") for item in items] == items


async def test_the_first_related_rows_of_each_row(api: httpx2.AsyncClient) -> None:
    """Each row has its own first ones, in the declared order, whatever others have."""
    items = (await got(api, "/books?include=chapters"))["items"]
    titles = [[chapter["title"] for chapter in item["chapters"]] for item in items]
    assert titles == [["two", "four"], ["only"], []]


async def test_pages_are_of_rows(api: httpx2.AsyncClient) -> None:
    """The length of a page and the total are those of the list without includes; so is the walk by cursor."""
    path, seen = "/books?include=author,chapters,tags&limit=1&sort=-id", list[int]()
    while path:
        page = await got(api, path)
        seen += [item["id"] for item in page["items"]]
        path = (
            page["next_cursor"] and f"/books?include=author,chapters,tags&limit=1&sort=-id&cursor={page['next_cursor']}"
        )
    assert seen == [3, 2, 1]
    assert (await got(api, "/books?include=chapters,tags&limit=2"))["total"] == 3


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ("", 1),
        ("include=author", 1),
        ("include=chapters", 2),
        ("include=tags,author", 2),
        ("include=author,chapters,tags", 3),
    ],
    ids=lambda value: value or "nothing" if isinstance(value, str) else "",
)
@pytest.mark.parametrize("length", [1, 3, 40])
async def test_what_includes_cost(shop: Database, query: str, count: int, length: int) -> None:
    """What there is one of comes with the row; what there are many of is one more statement, however long the page."""
    await store(shop, Book, *({"id": 10 + n, "slug": f"s{n}", "title": "S", "author_id": 1} for n in range(length)))
    async with client(app_with(shop, books())) as api:
        await api.get("/books/1")
        statements = Statements(shop)
        page = await got(api, f"/books?limit={length}&count=none&{query}")
        assert (len(page["items"]), len(statements.take())) == (length, count)
        await got(api, f"/books/1?{query}")
        assert len(statements.take()) == count


async def test_nothing_is_read_for_no_rows(shop: Database) -> None:
    """An empty page and a row that is not there cost no statement for what would belong to them."""
    async with client(app_with(shop, books())) as api:
        await api.get("/books/1")
        statements = Statements(shop)
        assert (await got(api, "/books?id=99&include=chapters,tags"))["items"] == []
        assert (await api.get("/books/99?include=chapters,tags")).status_code == 404
        assert len(statements.take()) == 2


@pytest.mark.parametrize(
    "query",
    [
        "include=writer",
        "include=author.name",
        "include=author,author",
        "include=",
        "include=author,",
        "include=secret",
        "include=author&include=tags",
        "include=author,chapters,tags",
    ],
)
@pytest.mark.parametrize("path", ["/books", "/books/1"])
async def test_other_includes_are_refused(shop: Database, path: str, query: str) -> None:
    """What is not declared, asked for twice or more than may be asked for at once is a 422 that names the parameter."""
    router = books(query=Query(max_includes=2))
    async with client(app_with(shop, router)) as api:
        response = await api.get(f"{path}?{query}")
        assert response.status_code == 422
        assert [error["loc"] for error in response.json()["errors"]] == [["query", "include"]]
        assert (await api.get(f"{path}?include=author,tags")).status_code == 200


async def test_what_is_hidden_is_never_included(api: httpx2.AsyncClient) -> None:
    """Neither name nor value of a hidden column of a related row is in an answer or in the API's description."""
    for path in ("/books?include=author,chapters,tags", "/books/1?include=author", "/openapi.json"):
        text = (await api.get(path)).text
        assert "secret" not in text
        assert "hidden" not in text


@pytest.mark.parametrize(
    ("include", "message"),
    [
        ({"writer": One()}, "'writer' is no relationship of Book; there are: author, chapters, tags"),
        ({"author": Many()}, "author: One is what the relationship is"),
        ({"chapters": One()}, "chapters: Many is what the relationship is"),
        ({"chapters": Links()}, "chapters: Links needs a relationship with secondary="),
        ({"chapters": Many(sort="-length")}, "chapters: sort= names '-length', which is no column of Chapter"),
        ({"title": One()}, "'title' is no relationship of Book"),
    ],
    ids=["none", "one-as-many", "many-as-one", "no-links", "order", "column"],
)
def test_an_include_that_cannot_be_is_refused(include: Mapping[str, One | Many], message: str) -> None:
    """What does not fit the model is told when the router is made."""
    with pytest.raises(ResourceError) as raised:
        books(include)
    assert message in str(raised.value)


@pytest.mark.parametrize("limit", [0, 1_001])
def test_there_are_not_too_many_related_rows(limit: int) -> None:
    """The limit of an include has a limit."""
    with pytest.raises(ResourceError, match=f"limit={limit} is not between 1 and 1000"):
        Many(limit=limit)


@pytest.mark.parametrize("author", [Author, Author.__table__.c], ids=["attribute", "column"])
async def test_scopes_hold_for_what_is_included(shop: Database, author: Any) -> None:
    """A related row out of scope is not there, to one as to many, and gives its place to one in scope."""

    async def nobody(request: Request) -> None:
        set_principal(request, None)

    router = books(
        scope={Author: author.name == "Ann", Chapter: Chapter.title != "two", Tag: Tag.word == "fun"},
        dependencies={"*": [Depends(nobody)]},
    )
    async with client(app_with(shop, router)) as api:
        items = (await got(api, "/books?include=author,chapters,tags"))["items"]
    assert [item["author"] for item in items] == [ANN, None, None]
    assert [[chapter["title"] for chapter in item["chapters"]] for item in items] == [["four", "three"], ["only"], []]
    assert [item["tags"] for item in items] == [[FUN], [FUN], []]


def test_openapi_has_includes_as_members_that_may_be_absent() -> None:
    """The schema of a row has each include, by its own schema, and requires none of them."""
    document = app_with(Database("sqlite://"), books(query=Query())).openapi()
    schemas = document["components"]["schemas"]
    for path, method in (("/books", "get"), ("/books/{id}", "get")):
        answer = document["paths"][path][method]["responses"]["200"]["content"]["application/json"]["schema"]
        row = schemas[answer["$ref"].rpartition("/")[2]]
        if "items" in row["properties"]:
            row = schemas[row["properties"]["items"]["items"]["$ref"].rpartition("/")[2]]
        assert {"id", "title", "author", "chapters", "tags"} <= set(row["properties"])
        assert {"id", "title"} <= set(row["required"])
        assert not {"author", "chapters", "tags"} & set(row["required"])
        assert row["properties"]["author"]["anyOf"][1] == {"type": "null"}
        assert row["properties"]["tags"]["type"] == "array"
    parameters = document["paths"]["/books"]["get"]["parameters"]
    (pattern,) = [it["schema"]["pattern"] for it in parameters if it["name"] == "include"]
    assert "author|chapters|tags" in pattern
