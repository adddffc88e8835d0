"""What is out of scope is answered as what is not there, to the byte, whatever is asked."""

import json
from collections.abc import Mapping
from typing import Any

import pytest

from fastapi_kit.crud import Many, One, Query
from fastapi_kit.db import Database
from tests.crud.scoped import ONE, TENANT, TWO, WHOLE, WITHOUT_AUTHOR, ids, scoped_books, shop
from tests.crud.shop import Author, Book

pytestmark = pytest.mark.anyio

REQUESTS: Mapping[str, tuple[str, str, Any]] = {
    "list": ("GET", "/books", None),
    "get": ("GET", "/books/{id}", None),
    "get-included": ("GET", "/books/{id}?include=author,chapters&fields=title", None),
    "get-deleted": ("GET", "/books/{id}?deleted=include", None),
    "create": ("POST", "/books", {**WHOLE, "author_id": "{author}"}),
    "replace": ("PUT", "/books/{id}", WHOLE),
    "replace-reference": ("PUT", "/books/21", {**WHOLE, "author_id": "{author}"}),
    "update": ("PATCH", "/books/{id}", {"title": "x"}),
    "update-nothing": ("PATCH", "/books/{id}", {}),
    "update-scope": ("PATCH", "/books/{id}", {"tenant": 1}),
    "update-reference": ("PATCH", "/books/21", {"author_id": "{author}"}),
    "update-both": ("PATCH", "/books/{id}", {"author_id": "{author}"}),
    "delete": ("DELETE", "/books/{id}", None),
    "restore": ("POST", "/books/{id}/restore", None),
    "create-many": ("POST", "/books/bulk", [{**WHOLE, "author_id": "{author}"}]),
    "update-many": ("PATCH", "/books", [{"id": "{id}", "title": "x"}]),
    "update-many-references": ("PATCH", "/books", [{"id": 21, "author_id": "{author}"}]),
    "delete-many": ("DELETE", "/books?id=21&id={id}", None),
}


SPARSE = Query(sparse=True)


def filled(value: Any, **names: int) -> Any:
    """A request with keys in place of the names."""
    text = json.dumps(value)
    for name, key in names.items():
        text = text.replace(f'"{{{name}}}"', str(key))
    return json.loads(text)


@pytest.mark.parametrize("name", REQUESTS)
async def test_without_a_principal_there_is_nothing(database: Database, name: str) -> None:
    """Where nobody has said who asks, every operation is a 401 that says how to, and nothing is done."""
    method, path, body = REQUESTS[name]
    router = scoped_books(Book.tenant == TENANT, include={"author": One(), "chapters": Many()}, query=SPARSE)
    async with shop(database, router) as api:
        answer = await api.request(method, path.format(id=11), json=filled(body, id=11, author=1))
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"] == "Bearer"
        assert answer.json()["title"] == "Unauthorized"
        assert len(await ids(api, "/books", ONE)) == 2


@pytest.mark.parametrize("name", [name for name in REQUESTS if name != "list"])
async def test_out_of_scope_is_absent(database: Database, name: str) -> None:
    """A row out of scope, as the row or as what it refers to, is answered to the byte like one that is not there."""
    method, path, body = REQUESTS[name]
    scope = {Book: Book.tenant == TENANT, Author: Author.tenant == TENANT}
    router = scoped_books(scope, include={"author": One(), "chapters": Many()}, query=SPARSE)
    async with shop(database, router) as api:
        for guard in ({}, {"If-Match": '"1"'}, {"If-Match": '"7"'}, {"If-None-Match": "*"}):
            answers = [
                await api.request(
                    method, path.format(id=key), json=filled(body, id=key, author=author), headers={**TWO, **guard}
                )
                for key, author in ((11, 1), (98, 97))
            ]
            out_of_scope, absent = ((it.status_code, it.content, dict(it.headers)) for it in answers)
            assert out_of_scope == absent
            assert absent[0] in {404, 409, 412}
        assert await ids(api, "/books", TWO) == [21, 22]
        assert (await api.get("/books/11", headers=ONE)).json()["version"] == 1


async def test_absent_and_hidden_parents_are_alike(database: Database) -> None:
    """A row above that is out of scope is answered like one that is not there, and nothing is made below it."""
    router = scoped_books({Author: Author.tenant == TENANT}, prefix="/authors/{author_id}/books", parent="author_id")
    async with shop(database, router) as api:
        for method, path, body in (
            ("GET", "", None),
            ("GET", "/11", None),
            ("POST", "", WITHOUT_AUTHOR),
            ("POST", "/bulk", [WITHOUT_AUTHOR]),
            ("PATCH", "/11", {"title": "x"}),
            ("DELETE", "/11", None),
        ):
            hidden, absent = [
                await api.request(method, f"/authors/{author}/books{path}", json=body, headers=TWO)
                for author in (1, 98)
            ]
            assert hidden.status_code == 404, (method, path)
            assert (hidden.content, dict(hidden.headers)) == (absent.content, dict(absent.headers))
        assert await ids(api, "/authors/1/books?title=T", ONE) == [11, 12]
