"""Examples of scopes; that nothing gets around one is in `test_scope_law`."""

# pyright: basic

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import anyio
import httpx2
import pytest
import sqlalchemy as sa
from fastapi import APIRouter, Depends, Request
from sqlalchemy.orm import Mapped, aliased, mapped_column, relationship

from fastapi_kit.crud import CRUDRouter, Many, One, Query, Scope, SoftDeletion, Version, of_principal, set_principal
from fastapi_kit.db import Database
from fastapi_kit.errors import Problem
from fastapi_kit.testing import client
from tests.crud.library import TYPES, VALUES, Everything, Models, app_with, create_tables, store
from tests.crud.shop import Author, Book, Shop

pytestmark = pytest.mark.anyio


async def user(request: Request) -> None:
    """Say who asks: the tenant that the header names; `nobody` is somebody who is known to be nobody."""
    tenant = request.headers.get("tenant")
    if tenant is not None:
        set_principal(request, None if tenant == "nobody" else int(tenant))


USER = Depends(user)
ONE, TWO, NOBODY = {"tenant": "1"}, {"tenant": "2"}, {"tenant": "nobody"}
TENANT = of_principal(lambda tenant: tenant)


def scoped_books(scope: Scope | Mapping[Any, Scope] | None, prefix: str = "/books", **options: Any) -> CRUDRouter[Book]:
    """Books within a scope, with all routes."""
    return CRUDRouter(
        Book,
        prefix=prefix,
        dependencies={"*": [USER]},
        scope=scope,
        version=Version(required=False),
        soft_delete=SoftDeletion(visible_to=lambda _: True),
        routes={
            *("list", "get", "create", "replace", "update", "delete", "restore"),
            *("create_many", "update_many", "delete_many"),
        },
        **options,
    )  # fmt: skip


@asynccontextmanager
async def shop(database: Database, *routers: APIRouter) -> AsyncGenerator[httpx2.AsyncClient]:
    """A client of routers, with an author and two books of each of two tenants."""
    await create_tables(database, Shop)
    await store(database, Author, {"id": 1, "name": "Tolkien"}, {"id": 2, "name": "Le Guin", "tenant": 2})
    await store(
        database,
        Book,
        *(
            {"id": tenant * 10 + n, "slug": f"{tenant}{n}", "title": "T", "author_id": tenant, "tenant": tenant}
            for tenant in (1, 2)
            for n in (1, 2)
        ),
    )
    async with client(app_with(database, *routers)) as api:
        yield api


async def ids(api: httpx2.AsyncClient, path: str, headers: Mapping[str, str]) -> list[int]:
    """The keys in a list."""
    answer = await api.get(path, headers=headers)
    assert answer.status_code == 200, answer.text
    return [item["id"] for item in answer.json()["items"]]


BODY = {"id": 99, "slug": "new", "title": "New", "pages": None, "author_id": None, "tenant": 1}
WHOLE = {name: value for name, value in BODY.items() if name != "id"}

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


def filled(value: Any, **names: int) -> Any:
    """A request with keys in place of the names."""
    if isinstance(value, dict):
        return {name: filled(inner, **names) for name, inner in value.items()}
    if isinstance(value, list):
        return [filled(inner, **names) for inner in value]
    if isinstance(value, str) and value.strip("{}") in names:
        return names[value.strip("{}")]
    return value.format(**names) if isinstance(value, str) else value


@pytest.mark.parametrize("name", REQUESTS)
async def test_without_a_principal_there_is_nothing(database: Database, name: str) -> None:
    """Where nobody has said who asks, every operation is a 401 that says how to, and nothing is done."""
    method, path, body = REQUESTS[name]
    router = scoped_books(
        Book.tenant == TENANT, include={"author": One(), "chapters": Many()}, query=Query(sparse=True)
    )
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
    router = scoped_books(scope, include={"author": One(), "chapters": Many()}, query=Query(sparse=True))
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


async def test_what_would_leave_the_scope_is_refused(database: Database) -> None:
    """Making a row for somebody else, or giving one away, is a 403, and nothing is stored."""
    async with shop(database, scoped_books(Book.tenant == TENANT)) as api:
        for method, path, body in (
            ("POST", "/books", {**WHOLE, "tenant": 2}),
            ("POST", "/books/bulk", [WHOLE, {**WHOLE, "slug": "other", "tenant": 2}]),
            ("PUT", "/books/11", {**WHOLE, "tenant": 2}),
            ("PATCH", "/books/11", {"title": "gone", "tenant": 2}),
            ("PATCH", "/books", [{"id": 12, "title": "gone"}, {"id": 11, "tenant": 2}]),
        ):
            answer = await api.request(method, path, json=body, headers=ONE)
            assert (answer.status_code, answer.json()["title"]) == (403, "Forbidden")
        assert await ids(api, "/books?title=T", ONE) == [11, 12]
        assert await ids(api, "/books?title=T", TWO) == [21, 22]


_other: Any = aliased(Book)


@pytest.mark.parametrize(
    "scope",
    [
        lambda _: sa.false(),
        of_principal(lambda tenant: tenant == 2, sa.Boolean()).is_(True),
        sa.literal_column("book.tenant", sa.Integer()) == TENANT,
        Book.id.in_(sa.select(_other.id).where(_other.tenant == TENANT)),
        Book.author.has(sa.and_(Author.tenant == 1, Author.tenant == TENANT)),
    ],
    ids=["constant", "principal-alone", "text", "own-table", "related-row"],
)
async def test_no_form_of_a_scope_lets_rows_out(database: Database, scope: Scope) -> None:
    """Whatever a scope looks at, no row can be made outside of it."""
    async with shop(database, scoped_books(scope)) as api:
        answer = await api.post("/books", json={**WHOLE, "tenant": 3, "author_id": 2}, headers=ONE)
        assert answer.status_code == 403
        moved = await api.patch("/books/11", json={"tenant": 2, "author_id": 2}, headers=ONE)
        assert moved.status_code in {403, 404}


async def test_somebody_who_is_nobody(database: Database) -> None:
    """A principal of `None` is somebody: the scope is asked what there is for nobody."""
    public = of_principal(lambda tenant: 2 if tenant is None else tenant)
    async with shop(
        database, scoped_books(Book.tenant == public), scoped_books(Book.tenant == TENANT, prefix="/private")
    ) as api:
        assert await ids(api, "/books", NOBODY) == [21, 22]
        assert await ids(api, "/private", NOBODY) == []
        assert (await api.get("/books")).status_code == 401


@pytest.mark.parametrize(
    "scope",
    [Book.tenant == TENANT, lambda tenant: Book.tenant == tenant, lambda _: Book.tenant == TENANT],
    ids=["expression", "function", "both"],
)
async def test_every_form_is_the_same(database: Database, scope: Scope) -> None:
    """An expression with `of_principal`, a function, and a function that uses `of_principal` mean the same."""
    async with shop(database, scoped_books(scope)) as api:
        assert await ids(api, "/books", ONE) == [11, 12]
        assert await ids(api, "/books", TWO) == [21, 22]
        assert await ids(api, "/books", NOBODY) == []
        assert (await api.post("/books", json=WHOLE, headers=ONE)).status_code == 201
        assert (await api.patch("/books/11", json={"tenant": 2}, headers=ONE)).status_code == 403


async def test_scopes_of_related_models(database: Database) -> None:
    """A scope of another model hides its rows in includes, filters, searches and as what a write refers to."""
    router = scoped_books(
        {Author: Author.tenant == TENANT},
        include={"author": One()},
        query=Query(filter={"author.name": {"eq", "ne"}}, search={"author.name"}),
    )
    async with shop(database, router) as api:
        listed = (await api.get("/books?include=author&count=exact", headers=ONE)).json()
        names = {item["id"]: item["author"] and item["author"]["name"] for item in listed["items"]}
        assert (names, listed["total"]) == ({11: "Tolkien", 12: "Tolkien", 21: None, 22: None}, 4)
        assert await ids(api, "/books?author.name=Le Guin", ONE) == []
        assert await ids(api, "/books?author.name__ne=x", ONE) == [11, 12]
        assert await ids(api, "/books?search=guin", ONE) == []
        assert (await api.patch("/books/21", json={"author_id": 1}, headers=ONE)).status_code == 200
        answer = await api.patch("/books/21", json={"author_id": 2}, headers=ONE)
        assert (answer.status_code, answer.json()["fields"]) == (409, ["author_id"])


async def test_subqueries_mean_their_own_tables(database: Database) -> None:
    """A scope of authors that looks at books looks at all of them, not at the one that the author is included with."""
    foreign = sa.exists().where(Book.author_id == Author.id, Book.tenant != TENANT)
    router = scoped_books({Author: ~foreign}, include={"author": One()})
    async with shop(database, router) as api:
        await store(database, Book, {"id": 13, "slug": "13", "title": "T", "author_id": 1, "tenant": 2})
        listed = (await api.get("/books?include=author", headers=ONE)).json()["items"]
        assert [item["id"] for item in listed if item["author"]] == []
        listed = (await api.get("/books?include=author", headers=TWO)).json()["items"]
        assert [item["id"] for item in listed if item["author"]] == [21, 22]


async def test_a_scope_below_a_parent(database: Database) -> None:
    """Where the scope decides about the row above, nothing can be made below one that is out of scope."""
    own = scoped_books(Book.author_id == TENANT, prefix="/authors/{author_id}/books", parent="author_id")
    async with shop(database, own) as api:
        assert await ids(api, "/authors/1/books", ONE) == [11, 12]
        assert (await api.post("/authors/1/books", json=_without_author(WHOLE), headers=ONE)).status_code == 201
        body = {**_without_author(WHOLE), "slug": "other"}
        assert (await api.post("/authors/2/books", json=body, headers=ONE)).status_code == 403
        assert await ids(api, "/authors/2/books", TWO) == [21, 22]


async def test_absent_and_hidden_parents_are_alike(database: Database) -> None:
    """A row above that is out of scope is answered like one that is not there, and nothing is made below it."""
    router = scoped_books({Author: Author.tenant == TENANT}, prefix="/authors/{author_id}/books", parent="author_id")
    async with shop(database, router) as api:
        for method, path, body in (
            ("GET", "", None),
            ("GET", "/11", None),
            ("POST", "", _without_author(WHOLE)),
            ("POST", "/bulk", [_without_author(WHOLE)]),
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


def _without_author(body: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in body.items() if name != "author_id"}


async def test_a_scope_may_refuse(database: Database) -> None:
    """A `Problem` that a scope, or a value of one, raises is the answer."""

    def refuse(tenant: int) -> Any:
        if tenant == 2:
            raise Problem("Pay first.", status=402)
        return tenant

    routers = (
        scoped_books(lambda tenant: Book.tenant == refuse(tenant)),
        scoped_books(Book.tenant == of_principal(refuse), prefix="/valued"),
    )
    async with shop(database, *routers) as api:
        for path in ("/books", "/valued"):
            assert await ids(api, path, ONE) == [11, 12]
            assert (await api.get(path, headers=TWO)).status_code == 402
            assert (await api.delete(f"{path}/21", headers=TWO)).status_code == 402


async def test_what_is_no_condition_lets_nobody_in(database: Database) -> None:
    """A function that makes something else than a condition fails, in place of letting everybody in."""

    def scope(_tenant: Any) -> Any:
        return None

    async with shop(database, scoped_books(scope)) as api:
        assert (await api.get("/books", headers=ONE)).status_code == 500


@pytest.mark.parametrize("name", [name for name in TYPES if name != "data"])
async def test_values_of_any_type(database: Database, name: str) -> None:
    """What a principal is compared by may be a column of any type that has equality."""
    column: Any = getattr(Everything, name)
    router = CRUDRouter(
        Everything,
        prefix="/everything",
        dependencies={"*": [USER]},
        scope={Everything: column == of_principal(lambda tenant: VALUES[name] if tenant == 1 else None)},
        routes={"list", "get"},
    )
    await create_tables(database, Models)
    await store(database, Everything, {**VALUES, "id": 1})
    async with client(app_with(database, router)) as api:
        assert await ids(api, "/everything", ONE) == [1]
        assert (await api.get("/everything/1", headers=ONE)).status_code == 200
        assert await ids(api, "/everything", NOBODY) == []


async def test_two_routers_on_one_model(database: Database) -> None:
    """Routers share a model, not its scope: each answers and writes within its own."""
    routers = (
        scoped_books(None, prefix="/all"),
        scoped_books(Book.tenant == TENANT, prefix="/own"),
        scoped_books(Book.tenant != TENANT, prefix="/others"),
    )
    async with shop(database, *routers) as api:
        for _ in range(2):
            assert await ids(api, "/all", ONE) == [11, 12, 21, 22]
            assert await ids(api, "/own", ONE) == [11, 12]
            assert await ids(api, "/others", ONE) == [21, 22]
        assert (await api.delete("/own/21", headers=ONE)).status_code == 404
        assert (await api.delete("/others/21", headers=ONE)).status_code == 204


@pytest.mark.parametrize("scope", [Book.tenant == TENANT, lambda it: Book.tenant == it], ids=["expression", "function"])
async def test_principals_side_by_side(database: Database, scope: Scope) -> None:
    """No value of one principal is seen by another, whose request runs at the same time on the same statements."""
    async with shop(database, scoped_books(scope)) as api:

        async def ask(tenant: int, number: int) -> None:
            headers = {"tenant": str(tenant)}
            match number % 4:
                case 0:
                    assert await ids(api, "/books", headers) == [tenant * 10 + 1, tenant * 10 + 2]
                case 1:
                    assert await ids(api, "/books?tenant=1", headers) == ([11, 12] if tenant == 1 else [])
                case 2:
                    assert (await api.get("/books/11", headers=headers)).status_code == (200 if tenant == 1 else 404)
                case _:
                    answer = await api.patch("/books/21", json={"pages": number}, headers=headers)
                    assert answer.status_code == (404 if tenant == 1 else 200)

        async with anyio.create_task_group() as tasks:
            for number in range(50):
                for tenant in (1, 2):
                    tasks.start_soon(ask, tenant, number)


class Shelf(Shop):
    """A place for books, whose key has two columns."""

    __tablename__ = "scoped_shelf"
    room: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    tenant: Mapped[int]


class Copy(Shop):
    """A row that refers to both columns."""

    __tablename__ = "scoped_copy"
    id: Mapped[int] = mapped_column(primary_key=True)
    room: Mapped[int | None] = mapped_column(default=1)
    number: Mapped[int | None]
    shelf: Mapped[Shelf | None] = relationship()
    __table_args__ = (sa.ForeignKeyConstraint(["room", "number"], ["scoped_shelf.room", "scoped_shelf.number"]),)


async def test_half_a_reference(database: Database) -> None:
    """A reference of two columns is in scope as a whole, also where a client writes one of them."""
    router = CRUDRouter(Copy, prefix="/copies", dependencies={"*": [USER]}, scope={Shelf: Shelf.tenant == TENANT})
    async with shop(database, router) as api:
        await store(database, Shelf, *({"room": 1, "number": n, "tenant": n} for n in (1, 2)))
        assert (await api.post("/copies", json={"number": 1}, headers=ONE)).status_code == 201
        for method, path in (("POST", "/copies"), ("PATCH", "/copies/1")):
            answers = [await api.request(method, path, json={"number": n}, headers=ONE) for n in (2, 99)]
            assert [answer.json()["fields"] for answer in answers] == [["room", "number"]] * 2
            assert answers[0].content == answers[1].content
        assert (await api.patch("/copies/1", json={"number": None}, headers=ONE)).status_code == 200
        assert (await api.patch("/copies/1", json={"number": 2}, headers=TWO)).status_code == 200
