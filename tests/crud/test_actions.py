"""Routes of one's own on a router: actions, overrides, links, HEAD."""

from collections.abc import AsyncGenerator
from types import SimpleNamespace
from typing import Any

import httpx2
import pytest
from fastapi import Depends, Request, Response
from pydantic import BaseModel

from fastapi_kit.crud import (
    Changed,
    CollectionContext,
    CRUDRouter,
    ItemContext,
    Links,
    OverrideContext,
    ResourceError,
    of_principal,
    set_principal,
)
from fastapi_kit.db import Database
from fastapi_kit.testing import client
from tests.crud.library import app_with, create_tables, store
from tests.crud.shop import Book, Shop, Tag

pytestmark = pytest.mark.anyio


class Word(BaseModel):
    """What an action takes."""

    word: str


async def current_user(request: Request) -> None:
    """The tenant is whom the header names."""
    set_principal(request, SimpleNamespace(tenant=int(request.headers.get("x-tenant", "1"))))


def make_books() -> tuple[CRUDRouter[Book], list[Changed]]:
    """A router with actions, an override and links."""
    books = CRUDRouter(
        Book,
        prefix="/books",
        dependencies={"*": [Depends(current_user)]},
        include={"tags": Links()},
        scope=Book.tenant == of_principal(lambda user: user.tenant),
        version="version",
        routes={"list", "get", "delete"},
    )
    told: list[Changed] = []

    @books.after_commit
    async def tell(changed: Changed) -> None:
        told.append(changed)

    @books.action("rename")
    async def rename(context: ItemContext[Book], body: Word) -> Book:
        context.row.title = body.word
        return context.row

    @books.action("peek", methods=["GET"])
    async def peek(context: ItemContext[Book]) -> Book:
        return context.row

    @books.action("newest", on="collection", methods=["GET"])
    async def newest(context: CollectionContext[Book], limit: int = 2) -> list[int]:
        return [book.id for book in (await context.repository.list(sort="-id", limit=limit)).items]

    @books.override("list")
    async def counted(context: OverrideContext) -> dict[str, Any]:
        answer = await context.default()
        return {"length": len(answer.body), "tenant": context.principal.tenant}

    return books, told


@pytest.fixture
async def api(database: Database) -> AsyncGenerator[httpx2.AsyncClient]:
    """Serves two books of one tenant and one of another."""
    await create_tables(database, Shop)
    await store(database, Tag, {"id": 1, "word": "old"}, {"id": 2, "word": "new"})
    await store(
        database,
        Book,
        {"id": 1, "slug": "a", "title": "A", "tenant": 1},
        {"id": 2, "slug": "b", "title": "B", "tenant": 1},
        {"id": 3, "slug": "c", "title": "C", "tenant": 2},
    )
    async with client(app_with(database, make_books()[0])) as api:
        yield api


async def test_an_action_changes_the_row_that_the_path_names(api: httpx2.AsyncClient) -> None:
    """It is stored with the request's session, its version counts on, and the answer is the row."""
    answer = await api.post("/books/1/rename", json={"word": "Renamed"}, headers={"if-match": '"1"'})
    assert (answer.status_code, answer.headers["etag"]) == (200, '"2"')
    assert (answer.json()["title"], answer.json()["version"]) == ("Renamed", 2)
    assert (await api.get("/books/1")).json() == answer.json()


@pytest.mark.parametrize(
    ("headers", "body", "status"),
    [
        ({}, {"word": "x"}, 428),
        ({"if-match": '"9"'}, {"word": "x"}, 412),
        ({"if-match": "nonsense"}, {"word": "x"}, 400),
        ({"if-match": "*"}, {}, 422),
        ({"if-match": "*", "x-tenant": "2"}, {"word": "x"}, 404),
    ],
    ids=["no-version", "other-version", "malformed", "body", "out-of-scope"],
)
async def test_what_refuses_a_write_refuses_an_action(
    api: httpx2.AsyncClient, headers: dict[str, str], body: dict[str, str], status: int
) -> None:
    """Scope, version and body hold, and nothing is changed."""
    assert (await api.post("/books/1/rename", json=body, headers=headers)).status_code == status
    assert (await api.get("/books/1")).json()["title"] == "A"


async def test_an_action_that_reads_needs_no_version(api: httpx2.AsyncClient) -> None:
    """GET looks at the row, and leaves it as it is."""
    assert (await api.get("/books/1/peek")).json()["version"] == 1
    assert (await api.get("/books/1")).json()["version"] == 1


async def test_an_action_on_all_comes_before_the_keys(api: httpx2.AsyncClient) -> None:
    """Its name is no key, and its repository is the principal's."""
    assert (await api.get("/books/newest")).json() == [2, 1]
    assert (await api.get("/books/newest?limit=1", headers={"x-tenant": "2"})).json() == [3]
    assert (await api.get("/books/newest?limit=x")).status_code == 422


async def test_an_override_answers_in_place_of_an_operation(api: httpx2.AsyncClient) -> None:
    """It can ask for the generated answer, and HEAD is of the same answer."""
    answer = await api.get("/books", headers={"x-tenant": "2"})
    assert answer.json()["tenant"] == 2
    head = await api.head("/books", headers={"x-tenant": "2"})
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-length"] == answer.headers["content-length"]


async def test_links_are_made_and_removed_however_often(api: httpx2.AsyncClient) -> None:
    """Both are idempotent; the include shows them."""
    for _ in range(2):
        assert (await api.put("/books/1/tags/1")).status_code == 204
    assert (await api.put("/books/1/tags/2")).status_code == 204
    assert [tag["word"] for tag in (await api.get("/books/1?include=tags")).json()["tags"]] == ["old", "new"]
    for _ in range(2):
        assert (await api.delete("/books/1/tags/1")).status_code == 204
    assert [tag["word"] for tag in (await api.get("/books/1?include=tags")).json()["tags"]] == ["new"]


@pytest.mark.parametrize(
    ("path", "tenant", "status"),
    [("/books/1/tags/9", "1", 404), ("/books/9/tags/1", "1", 404), ("/books/1/tags/1", "2", 404)],
    ids=["no-tag", "no-book", "out-of-scope"],
)
async def test_a_link_needs_both_ends(api: httpx2.AsyncClient, path: str, tenant: str, status: int) -> None:
    """What is absent or out of scope cannot be linked; nothing is stored."""
    for method in ("PUT", "DELETE"):
        assert (await api.request(method, path, headers={"x-tenant": tenant})).status_code == status
    assert (await api.get("/books/1?include=tags")).json()["tags"] == []


async def test_malformed_links_are_refused(api: httpx2.AsyncClient) -> None:
    """A key of the wrong type, and parameters that nobody takes, are 422s."""
    assert (await api.put("/books/1/tags/x")).status_code == 422
    assert (await api.put("/books/1/tags/1?force=1")).status_code == 422


async def test_a_link_is_told_of(database: Database) -> None:
    """Listeners are told that the row has changed."""
    await create_tables(database, Shop)
    await store(database, Tag, {"id": 1, "word": "old"})
    await store(database, Book, {"id": 1, "slug": "a", "title": "A"})
    books, told = make_books()
    async with client(app_with(database, books)) as api:
        await api.put("/books/1/tags/1")
    assert told == [Changed("book", "update", [1])]


def test_operation_ids_are_readable_and_unique() -> None:
    """They are made of the operation and of the path of the list, wherever the router is included."""
    books, _ = make_books()
    document = app_with(Database("sqlite://"), books).openapi()
    found = {operation["operationId"] for path in document["paths"].values() for operation in path.values()}
    assert found == {
        *("list_books", "get_books", "delete_books", "rename_books", "peek_books", "newest_books"),
        *("link_tags_books", "unlink_tags_books"),
    }


def test_what_cannot_be_added_is_refused() -> None:
    """An operation that is not served has no override, one that writes nothing no hook, an action needs its context."""
    books = CRUDRouter(Book, routes={"list"})
    with pytest.raises(ResourceError, match="'get' is not served; list are"):
        books.override("get")
    with pytest.raises(ResourceError, match="'list' has no hooks"):
        books.before("list")  # type: ignore[arg-type]

    async def without_context() -> Response:
        return Response()

    with pytest.raises(ResourceError, match="takes a context as its first parameter"):
        books.action("nothing")(without_context)
