"""Examples of scopes; that nothing gets around one is in `test_scope_law`."""

from typing import Any

import anyio
import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Mapped, aliased, mapped_column, relationship

from fastapi_kit.crud import CRUDRouter, One, Query, Scope, of_principal
from fastapi_kit.db import Database
from fastapi_kit.errors import Problem
from fastapi_kit.testing import client
from tests.crud.library import TYPES, VALUES, Everything, Models, app_with, create_tables, store
from tests.crud.scoped import NOBODY, ONE, TENANT, TWO, USER, WHOLE, WITHOUT_AUTHOR, ids, scoped_books, shop
from tests.crud.shop import Author, Book, Shop

pytestmark = pytest.mark.anyio


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


Condition = sa.ColumnElement[bool]
_other: Any = aliased(Book)


def _nothing(_: int) -> Condition:
    return sa.false()


def _by_value(tenant: int) -> Condition:
    return Book.tenant == tenant


def _by_placeholder(_: int) -> Condition:
    condition: Condition = Book.tenant == TENANT
    return condition


@pytest.mark.parametrize(
    "scope",
    [
        _nothing,
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
    [Book.tenant == TENANT, _by_value, _by_placeholder],
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
        assert (await api.post("/authors/1/books", json=WITHOUT_AUTHOR, headers=ONE)).status_code == 201
        body = {**WITHOUT_AUTHOR, "slug": "other"}
        assert (await api.post("/authors/2/books", json=body, headers=ONE)).status_code == 403
        assert await ids(api, "/authors/2/books", TWO) == [21, 22]


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

    def forgetful(tenant: int) -> Any:
        """Has no `return`."""

    async with shop(database, scoped_books(forgetful)) as api:
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


@pytest.mark.parametrize("scope", [Book.tenant == TENANT, _by_value], ids=["expression", "function"])
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
