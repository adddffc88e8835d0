"""What a request costs, counted, not timed: statements, threads and function calls are the same on any machine."""

import asyncio
import sys
import threading
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from types import FrameType
from typing import Any, Self

import anyio.to_thread
import httpx2
import pytest
import sqlalchemy as sa
from fastapi import APIRouter, Depends, Request

from fastapi_kit.crud import (
    CRUDRouter,
    NamedFilter,
    OperationName,
    Query,
    SoftDeletion,
    Version,
    of_principal,
    set_principal,
)
from fastapi_kit.db import Database
from fastapi_kit.testing import client
from tests.crud.counting import Queries
from tests.crud.library import app_with, create_tables, store
from tests.crud.shop import Author, Book, Shop

pytestmark = pytest.mark.anyio


async def user(request: Request) -> None:
    """Authenticate, as far as a request without I/O can."""
    set_principal(request, 1)


async def session_of_nobody(request: Request) -> None:
    """A second dependency, of which there are many in real apps."""


def itself(principal: int) -> int:
    """The tenant that a principal is."""
    return principal


def of_tenant(tenant: int) -> sa.ColumnElement[bool]:
    """A scope in the form of a function."""
    return Book.tenant == tenant


USER, OTHER = Depends(user), Depends(session_of_nobody)
SCOPED: Mapping[str, Any] = {
    "dependencies": {"*": [USER]},
    "scope": Book.tenant == of_principal(itself),
    "stamp": {"tenant": itself},
}
SCOPED_BY_FUNCTION: Mapping[str, Any] = {**SCOPED, "scope": of_tenant}

ROUTERS: Mapping[str, CRUDRouter[Book]] = {
    "plain": CRUDRouter(Book, prefix="/books"),
    "authenticated": CRUDRouter(Book, prefix="/books", dependencies={"*": [USER, OTHER]}),
    "scoped": CRUDRouter(Book, prefix="/books", **SCOPED),
    "scoped-by-function": CRUDRouter(Book, prefix="/books", **SCOPED_BY_FUNCTION),
    "everything": CRUDRouter(
        Book,
        prefix="/books",
        **SCOPED,
        version=Version(),
        soft_delete=SoftDeletion(visible_to=lambda _: True),
    ),
}


BULK: set[OperationName] = {"create_many", "update_many", "delete_many"}
MANY: Mapping[str, CRUDRouter[Book]] = {
    "plain": CRUDRouter(Book, prefix="/books", routes=BULK),
    "authenticated": CRUDRouter(Book, prefix="/books", routes=BULK, dependencies={"*": [USER, OTHER]}),
    "scoped": CRUDRouter(Book, prefix="/books", routes=BULK, **SCOPED),
    "scoped-by-function": CRUDRouter(Book, prefix="/books", routes=BULK, **SCOPED_BY_FUNCTION),
    "everything": CRUDRouter(
        Book,
        prefix="/books",
        routes=BULK,
        version=Version(required=False),
        soft_delete="deleted_at",
        **SCOPED,
    ),
}


@asynccontextmanager
async def shop(database: Database, router: APIRouter) -> AsyncGenerator[httpx2.AsyncClient]:
    """A client of a router, with thirty books, after a first request of each kind."""
    await create_tables(database, Shop)
    await store(database, Book, *({"slug": f"s{n}", "title": f"t{n}", "pages": n, "tenant": 1} for n in range(1, 31)))
    async with client(app_with(database, router)) as api:
        yield api


NEW = {"id": 99, "slug": "new", "title": "New", "pages": 1, "author_id": None}
REQUESTS: Mapping[str, tuple[str, str, Any, str]] = {
    "get": ("GET", "/books/1", None, "SELECT"),
    "list": ("GET", "/books?count=none", None, "SELECT"),
    "list-filtered": ("GET", "/books?count=none&pages__gte=3&sort=-title&limit=5&page=2", None, "SELECT"),
    "list-of-one-page": ("GET", "/books?limit=100&count=exact", None, "SELECT"),
    "create": ("POST", "/books", {name: value for name, value in NEW.items() if name != "id"}, "INSERT"),
    "update": ("PATCH", "/books/1", {"title": "patched"}, "UPDATE"),
    "replace": ("PUT", "/books/1", {"slug": "put", "title": "Put", "pages": None, "author_id": None}, "UPDATE"),
    "update-nothing": ("PATCH", "/books/1", {}, "SELECT"),
    "delete": ("DELETE", "/books/2", None, ""),
}


async def ask(api: httpx2.AsyncClient, name: str) -> None:
    """Make one of the requests, with the version that the row has before."""
    method, path, body, _ = REQUESTS[name]
    answer = await api.request(method, path, json=body, headers={"If-Match": "*"})
    assert answer.is_success, answer.text


@pytest.mark.postgres
@pytest.mark.parametrize("kind", ROUTERS)
async def test_one_statement_each(postgres: Database, kind: str) -> None:
    """PostgreSQL is sent one statement for each request, and neither BEGIN nor COMMIT nor ROLLBACK."""
    queries = Queries(postgres)
    async with shop(postgres, ROUTERS[kind]) as api:
        for name in REQUESTS:
            await queries.take()
            await ask(api, name)
            expected = REQUESTS[name][3] or ("UPDATE" if kind == "everything" else "DELETE")
            assert await queries.take() == [expected], name
        if kind == "everything":
            await api.post("/books/2/restore", headers={"If-Match": "*"})
            assert await queries.take() == ["UPDATE"]


@pytest.mark.postgres
@pytest.mark.parametrize("kind", ROUTERS)
async def test_one_statement_for_a_hundred(postgres: Database, kind: str) -> None:
    """A hundred rows are made, changed and deleted by one statement each, in one transaction."""
    queries = Queries(postgres)
    async with shop(postgres, MANY[kind]) as api:
        bodies = [{"slug": f"n{n}", "title": "T", "pages": n, "author_id": None} for n in range(100)]
        await queries.take()
        rows = (await api.post("/books/bulk", json=bodies)).json()
        assert await queries.take() == ["BEGIN", "COMMIT", "INSERT"]
        changed = await api.patch("/books", json=[{"id": row["id"], "title": f"t{row['id']}"} for row in rows])
        assert [row["title"] for row in changed.json()] == [f"t{row['id']}" for row in rows]
        assert await queries.take() == ["BEGIN", "COMMIT", "WITH"]
        keys = "&".join(f"id={row['id']}" for row in rows)
        assert (await api.delete(f"/books?{keys}")).status_code == 204
        assert await queries.take() == ["BEGIN", "COMMIT", "WITH" if kind == "everything" else "DELETE"]


@pytest.mark.postgres
async def test_what_is_counted(postgres: Database) -> None:
    """The count sees transactions where there are some: a row out of the scope of its related ones is looked at."""
    queries = Queries(postgres)
    router = CRUDRouter(
        Book, prefix="/books", dependencies={"*": [USER]}, scope=lambda it: Book.author.has(Author.tenant == it)
    )
    async with shop(postgres, router) as api:
        await store(postgres, Author, {"id": 1, "name": "Tolkien"}, {"id": 2, "name": "Le Guin", "tenant": 2})
        own = {"slug": "new", "title": "New", "author_id": 1}
        await queries.take()
        assert (await api.post("/books", json=own | {"author_id": 2})).status_code == 403
        assert await queries.take() == ["BEGIN", "INSERT", "ROLLBACK", "SELECT"]
        assert (await api.post("/books", json=own)).status_code == 201
        assert await queries.take() == ["BEGIN", "COMMIT", "INSERT", "SELECT"]


@pytest.mark.postgres
@pytest.mark.parametrize("scope", [of_tenant, SCOPED["scope"]], ids=["function", "expression"])
async def test_one_statement_for_what_a_client_may_give_away(postgres: Database, scope: Any) -> None:
    """What decides about the scope is written by one statement, and refused by it and then by the long way."""
    queries = Queries(postgres)
    router = CRUDRouter(Book, prefix="/books", dependencies={"*": [USER]}, scope=scope)
    new, whole = REQUESTS["create"][2], REQUESTS["replace"][2]
    requests = {
        "POST /books": (new, 201, "INSERT"),
        "PATCH /books/1": ({"title": "New"}, 200, "UPDATE"),
        "PUT /books/1": (whole, 200, "UPDATE"),
    }
    async with shop(postgres, router) as api:
        for request, (body, status, sent) in requests.items():
            method, path = request.split()
            await queries.take()
            assert (await api.request(method, path, json=body | {"tenant": 1})).status_code == status
            assert await queries.take() == [sent]
            refused = await api.request(method, path, json=body | {"slug": "other", "tenant": 2})
            assert refused.status_code == 403
            assert await queries.take() == sorted(["BEGIN", "ROLLBACK", "SELECT", sent, sent])


@pytest.mark.postgres
@pytest.mark.parametrize("kind", ROUTERS)
async def test_no_thread_is_needed(postgres: Database, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """On PostgreSQL nothing of a request runs in another thread."""
    hops: list[str] = []

    def note(name: str, original: Callable[..., Any]) -> Callable[..., Any]:
        def hop(*arguments: Any, **options: Any) -> Any:
            hops.append(name)
            return original(*arguments, **options)

        return hop

    async with shop(postgres, ROUTERS[kind]) as api:
        for owner, name in (
            (asyncio.get_running_loop(), "run_in_executor"),
            (anyio.to_thread, "run_sync"),
            (threading.Thread, "start"),
        ):
            monkeypatch.setattr(owner, name, note(name, getattr(owner, name)))
        for name in REQUESTS:
            await ask(api, name)
        assert hops == []
        await anyio.to_thread.run_sync(int)
        assert "run_sync" in hops


class Calls:
    """Counts the calls of Python functions and of built-in ones."""

    def __init__(self) -> None:
        self.count = 0

    def _note(self, _frame: FrameType, event: str, _argument: object) -> None:
        self.count += event in {"call", "c_call"}

    def __enter__(self) -> Self:
        sys.setprofile(self._note)
        return self

    def __exit__(self, *_: object) -> None:
        sys.setprofile(None)


def filtered_by(number: int) -> CRUDRouter[Book]:
    """Books with so many filters."""
    named = {f"over{n}": NamedFilter(int, lambda value: Book.pages > value) for n in range(number)}
    return CRUDRouter(Book, prefix="/books", query=Query(filter=named))


@pytest.mark.parametrize("query", ["", "?limit=5&sort=-title&page=2", "?over0=3"], ids=["bare", "paged", "filtered"])
async def test_unused_filters_cost_nothing(query: str) -> None:
    """A list takes as many function calls with 100 declared filters as with one."""
    counted: list[int] = []
    for number in (1, 100):
        database = Database("sqlite://")
        async with shop(database, filtered_by(number)) as api:
            for _ in range(3):
                await api.get(f"/books{query}")
            counts: list[int] = []
            for _ in range(5):
                with Calls() as calls:
                    await api.get(f"/books{query}")
                counts.append(calls.count)
            counted.append(min(counts))
    assert 500 < counted[1] <= 1.02 * counted[0]
