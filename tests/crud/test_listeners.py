"""Listeners, which are told of a write once it is committed."""

import logging
from collections.abc import AsyncGenerator
from typing import Any

import pytest
import sqlalchemy as sa
from fastapi import Depends
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from fastapi_kit.crud import Changed, CRUDRouter, OperationName, WriteContext
from fastapi_kit.db import Database, Pool, SessionDep, SoftDelete
from fastapi_kit.errors import ForbiddenError
from fastapi_kit.testing import client
from tests.crud.library import app_with, create_tables

pytestmark = pytest.mark.anyio


class Models(DeclarativeBase):
    """A registry for these tests alone."""


class Entry(SoftDelete, Models):
    """A row whose parent is looked up at COMMIT."""

    __tablename__ = "entry"
    id: Mapped[int] = mapped_column(primary_key=True)
    slug: Mapped[str] = mapped_column(sa.String(20), unique=True)
    parent_id: Mapped[int | None] = mapped_column(sa.ForeignKey("entry.id", deferrable=True, initially="DEFERRED"))


class Seat(Models):
    """A row with two keys."""

    __tablename__ = "seat"
    line: Mapped[str] = mapped_column(sa.String(2), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    taken: Mapped[bool] = mapped_column(default=False)


async def in_a_transaction(session: SessionDep) -> None:
    """Begin the request's transaction, as a dependency that loads a user does."""
    await session.execute(sa.select(sa.literal(1)))


async def declared(session: SessionDep) -> None:
    """Have a session, and no use for it."""


async def that_refuses(session: SessionDep) -> AsyncGenerator[None]:
    """Begin the request's transaction, and refuse the request when the endpoint has returned."""
    await session.execute(sa.select(sa.literal(1)))
    yield
    raise ForbiddenError("Too late.")


async def nothing(_: WriteContext) -> None:
    """A hook, by which a write needs a transaction."""


REFUSING = [Depends(that_refuses, scope="function")]
PLACES = {"alone": [], "session-unused": [Depends(declared)], "in-a-session": [Depends(in_a_transaction)]}
everywhere = pytest.mark.parametrize("dependencies", PLACES.values(), ids=PLACES)
hooked = pytest.mark.parametrize("hooks", [False, True], ids=["plain", "hooked"])
ALL: set[OperationName] = {"get", "create", "replace", "update", "delete", "restore"}
MANY: set[OperationName] = {"create_many", "update_many", "delete_many"}


def entries(dependencies: list[Any], *, hooks: bool = False) -> CRUDRouter[Entry]:
    """A router of entries."""
    given: Any = {"*": dependencies}
    router = CRUDRouter(Entry, prefix="/entries", soft_delete="deleted_at", routes=ALL | MANY, dependencies=given)
    if hooks:
        router.before("create")(nothing)
        router.after("update")(nothing)
    return router


def told(router: CRUDRouter[Any]) -> list[Any]:
    """A list to which the router's writes are going to be added."""
    heard: list[Any] = []

    @router.after_commit
    async def listen(changed: Changed) -> None:
        heard.append((changed.resource, changed.operation, list(changed.keys)))

    return heard


@pytest.fixture(autouse=True)
async def tables(database: Database) -> None:
    """No entries yet."""
    await create_tables(database, Models)


@everywhere
@hooked
async def test_each_write_is_told(database: Database, dependencies: list[Any], hooks: bool) -> None:
    """Every committed write is one event with the keys of its rows; what changes nothing or fails is none."""
    router = entries(dependencies, hooks=hooks)
    heard = told(router)
    async with client(app_with(database, router)) as api:
        for method, path, body in (
            ("POST", "", {"slug": "a"}),
            ("POST", "", {"slug": "a"}),
            ("PUT", "/1", {"slug": "b"}),
            ("PATCH", "/1", {"slug": "c"}),
            ("PATCH", "/1", {}),
            ("PATCH", "/9", {"slug": "c"}),
            ("DELETE", "/1", None),
            ("DELETE", "/1", None),
            ("POST", "/1/restore", None),
            ("GET", "/1", None),
        ):
            await api.request(method, f"/entries{path}", json=body)
    operations = ("create", "replace", "update", "delete", "restore")
    assert heard == [("entry", operation, [1]) for operation in operations]


@everywhere
@hooked
async def test_a_bulk_write_is_one_event(database: Database, dependencies: list[Any], hooks: bool) -> None:
    """Many rows are one event with all keys in their order, of those alone that are changed."""
    router = entries(dependencies, hooks=hooks)
    heard = told(router)
    async with client(app_with(database, router)) as api:
        made = (await api.post("/entries/bulk", json=[{"slug": slug} for slug in "abc"])).json()
        a, b, c = (item["id"] for item in made)
        changes = [{"id": c, "slug": "x"}, {"id": b}, {"id": a, "slug": "y"}]
        assert (await api.patch("/entries", json=changes)).status_code == 200
        assert (await api.patch("/entries", json=[{"id": a}])).status_code == 200
        assert (await api.delete(f"/entries?id={b}&id={a}")).status_code == 204
        assert (await api.delete(f"/entries?id={c}&id={a}")).status_code == 404
    assert heard == [("entry", "create", [a, b, c]), ("entry", "update", [c, a]), ("entry", "delete", [b, a])]


async def test_keys_are_those_of_paths(database: Database) -> None:
    """A composite key is a tuple, and a lookup stands for the key, with the value that it has afterwards."""
    seats, by_slug = (
        CRUDRouter(Seat, prefix="/seats"),
        CRUDRouter(Entry, prefix="/e", lookup="slug", soft_delete="deleted_at"),
    )
    heard, renamed = told(seats), told(by_slug)
    async with client(app_with(database, seats, by_slug)) as api:
        await api.post("/seats", json={"line": "A", "number": 7})
        await api.patch("/seats/A/7", json={"taken": True})
        await api.delete("/seats/A/7")
        await api.post("/e", json={"slug": "old"})
        await api.patch("/e/old", json={"slug": "new"})
        await api.delete("/e/new")
    assert heard == [("seat", operation, [("A", 7)]) for operation in ("create", "update", "delete")]
    assert [keys for _, _, keys in renamed] == [["old"], ["new"], ["new"]]


@everywhere
@hooked
async def test_a_listener_sees_what_is_committed(database: Database, dependencies: list[Any], hooks: bool) -> None:
    """By a session of its own a listener reads the row, before the answer is sent, even if the pool has one place."""
    single = Database(database.url, pool=Pool(size=1, timeout=5))
    router, seen = entries(dependencies, hooks=hooks), list[Any]()

    @router.after_commit
    async def look(changed: Changed) -> None:
        async with single.session() as session:
            seen.append((changed.operation, list(await session.scalars(sa.select(Entry.slug).order_by(Entry.slug)))))

    async with client(app_with(single, router)) as api:
        for method, path, body in (
            ("POST", "", {"slug": "a"}),
            ("PATCH", "/1", {"slug": "b"}),
            ("POST", "/bulk", [{"slug": "c"}]),
            ("DELETE", "/1", None),
        ):
            assert (await api.request(method, f"/entries{path}", json=body)).is_success
    assert seen == [("create", ["a"]), ("update", ["b"]), ("create", ["b", "c"]), ("delete", ["b", "c"])]


@everywhere
@hooked
async def test_a_listener_that_fails_is_logged(
    database: Database, dependencies: list[Any], hooks: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """The write has happened, so its answer is as ever, the next listener is told, and the fault is in the log."""
    router = entries(dependencies, hooks=hooks)

    @router.after_commit
    async def fail(_: Changed) -> None:
        raise LookupError("what went wrong")

    heard = told(router)
    with caplog.at_level(logging.ERROR):
        async with client(app_with(database, router)) as api:
            assert (await api.post("/entries", json={"slug": "a"})).status_code == 201
            assert (await api.patch("/entries/1", json={"slug": "b"})).status_code == 200
            assert (await api.post("/entries/bulk", json=[{"slug": "c"}])).status_code == 201
    assert [operation for _, operation, _ in heard] == ["create", "update", "create"]
    logged = [record for record in caplog.records if record.name == "fastapi_kit.crud"]
    assert [record.getMessage() for record in logged] == [
        f"a listener of entry failed after its {it}" for it in ("create", "update", "create")
    ]
    assert all("what went wrong" in str(record.exc_info) for record in logged)


@hooked
async def test_what_is_rolled_back_is_not_told(database: Database, hooks: bool) -> None:
    """A request that is refused after its write, by a dependency with its session, stores nothing and tells nobody."""
    router = entries(REFUSING, hooks=hooks)
    heard = told(router)
    async with client(app_with(database, router)) as api:
        for path, body in (("", {"slug": "a"}), ("/bulk", [{"slug": "a"}])):
            assert (await api.post(f"/entries{path}", json=body)).status_code == 403
    assert await database.run(lambda connection: connection.scalars(sa.select(Entry.slug)).all()) == []
    assert heard == []


@everywhere
@hooked
async def test_a_commit_that_fails_is_not_told(database: Database, dependencies: list[Any], hooks: bool) -> None:
    """A constraint that is looked at when the transaction is committed is a 409, and nobody is told."""
    router = entries(dependencies, hooks=hooks)
    heard = told(router)
    async with client(app_with(database, router)) as api:
        for path, body in (("", {"slug": "a", "parent_id": 9}), ("/bulk", [{"slug": "a", "parent_id": 9}])):
            answer = await api.post(f"/entries{path}", json=body)
            assert (answer.status_code, answer.json()["violation"]) == (409, "foreign_key")
    assert heard == []
