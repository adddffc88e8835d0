"""Hooks, which belong to the transaction of a write."""

from typing import Any

import pytest
import sqlalchemy as sa
from fastapi import Depends, Request
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from fastapi_kit.crud import Changed, CRUDRouter, OperationName, ResourceError, WriteContext, set_principal
from fastapi_kit.crud._hooks import WRITE_OPERATIONS, WriteOperation
from fastapi_kit.db import READ_ONLY, Database, SessionDep, SoftDelete
from fastapi_kit.errors import ConflictError, ForbiddenError
from fastapi_kit.testing import client
from tests.crud.counting import Statements
from tests.crud.library import app_with, create_tables, store

pytestmark = pytest.mark.anyio


class Models(DeclarativeBase):
    """A registry for these tests alone."""


class Entry(SoftDelete, Models):
    """A row whose parent is looked up at COMMIT."""

    __tablename__ = "entry"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(sa.String(20), unique=True)
    size: Mapped[int] = mapped_column(default=0)
    note: Mapped[str | None] = mapped_column(sa.String(20), info=READ_ONLY)
    parent_id: Mapped[int | None] = mapped_column(sa.ForeignKey("entry.id", deferrable=True, initially="DEFERRED"))


class Line(Models):
    """What a hook writes about it."""

    __tablename__ = "line"
    id: Mapped[int] = mapped_column(primary_key=True)
    text: Mapped[str] = mapped_column(sa.String(20), unique=True)


async def as_user(request: Request) -> None:
    """Say who asks."""
    set_principal(request, "ada")


async def in_a_transaction(session: SessionDep) -> None:
    """Begin the request's transaction, as a dependency that loads a user does."""
    await session.execute(sa.select(sa.literal(1)))


ALL: set[OperationName] = {"list", "get", "create", "replace", "update", "delete", "restore"}
MANY: set[OperationName] = {"create_many", "update_many", "delete_many"}
PLACES = {"alone": [], "in-a-session": [Depends(in_a_transaction)]}
everywhere = pytest.mark.parametrize("dependencies", PLACES.values(), ids=PLACES)


def entries(dependencies: list[Any] | None = None) -> CRUDRouter[Entry]:
    """A router of entries without hooks."""
    given = [Depends(as_user), *(dependencies or ())]
    return CRUDRouter(Entry, prefix="/entries", soft_delete="deleted_at", routes=ALL | MANY, dependencies={"*": given})


@pytest.fixture(autouse=True)
async def tables(database: Database) -> None:
    """An entry is there already."""
    await create_tables(database, Models)
    await store(database, Entry, {"name": "first"})


async def stored(database: Database, column: Any = Entry.name) -> list[Any]:
    """What others see of a column."""
    return await database.run(lambda connection: list(connection.scalars(sa.select(column).order_by(column))))


async def write_line(context: WriteContext) -> None:
    """Write in the transaction of a write, from any hook."""
    context.session.add(Line(text=f"{context.operation} {context.values.get('name')}"))


async def test_hooks_run_in_their_order_with_all_there_is_to_know(database: Database) -> None:
    """Each write runs its hooks in their order, before with the values, after with the row as it was stored, too."""
    router, seen = entries(), list[str]()

    def hook(place: str) -> Any:
        async def see(it: WriteContext) -> None:
            assert it.request is not None
            told = (it.operation, it.request.method, it.principal, dict(it.key), it.values.get("name"))
            seen.append(f"{place}: {told} {it.stored.get('name')}")

        return see

    for operation in WRITE_OPERATIONS:
        for register, places in ((router.before, ("b1", "b2")), (router.after, ("a1", "a2"))):
            for place in places:
                register(operation)(hook(place))
    async with client(app_with(database, router)) as api:
        await api.post("/entries", json={"name": "new"})
        await api.put("/entries/2", json={"name": "put"})
        await api.patch("/entries/2", json={"size": 1})
        await api.delete("/entries/2")
        await api.post("/entries/2/restore")
    key = {"id": 2}
    told = {
        ("b", "create"): f"{('create', 'POST', 'ada', {}, 'new')} None",
        ("a", "create"): f"{('create', 'POST', 'ada', key, 'new')} new",
        ("b", "replace"): f"{('replace', 'PUT', 'ada', key, 'put')} None",
        ("a", "replace"): f"{('replace', 'PUT', 'ada', key, 'put')} put",
        ("b", "update"): f"{('update', 'PATCH', 'ada', key, None)} None",
        ("a", "update"): f"{('update', 'PATCH', 'ada', key, None)} put",
        ("b", "delete"): f"{('delete', 'DELETE', 'ada', key, None)} None",
        ("a", "delete"): f"{('delete', 'DELETE', 'ada', key, None)} None",
        ("b", "restore"): f"{('restore', 'POST', 'ada', key, None)} None",
        ("a", "restore"): f"{('restore', 'POST', 'ada', key, None)} put",
    }
    assert seen == [
        f"{place}: {told[place[0], operation]}" for operation in WRITE_OPERATIONS for place in ("b1", "b2", "a1", "a2")
    ]


async def test_a_hook_decides_what_is_written(database: Database) -> None:
    """Values that a hook changes, adds (also those of columns that clients cannot write) or removes are its word."""
    router = entries()

    @router.before("create")
    async def tidy(context: WriteContext) -> None:
        context.values |= {"name": context.values["name"].strip(), "note": "tidied"}
        context.values.pop("size", None)

    @router.before("update")
    async def keep(context: WriteContext) -> None:
        context.values.pop("size", None)

    async with client(app_with(database, router)) as api:
        made = (await api.post("/entries", json={"name": " new ", "size": 3})).json()
        assert (made["name"], made["note"], made["size"]) == ("new", "tidied", 0)
        renamed = await api.patch("/entries/2", json={"name": "x", "size": 3})
        assert (renamed.json()["name"], renamed.json()["size"]) == ("x", 0)
        nothing_left = await api.patch("/entries/2", json={"size": 3})
        assert (nothing_left.status_code, nothing_left.json()) == (200, renamed.json())
        assert (await api.patch("/entries/99", json={"size": 3})).status_code == 404


@everywhere
async def test_what_hooks_write_is_stored_with_the_write(database: Database, dependencies: list[Any]) -> None:
    """Rows that hooks write by their session are there once the write is."""
    router = entries(dependencies)
    router.before("create")(write_line)
    router.after("update")(write_line)
    async with client(app_with(database, router)) as api:
        assert (await api.post("/entries", json={"name": "new"})).status_code == 201
        assert (await api.patch("/entries/1", json={"name": "x"})).status_code == 200
    assert await stored(database, Line.text) == ["create new", "update x"]
    assert await stored(database) == ["new", "x"]


async def refuse(_: WriteContext) -> None:
    """Refuse every write."""
    raise ForbiddenError("Not today.")


async def fail(_: WriteContext) -> None:
    """Have a fault."""
    raise LookupError("what no client may read")


async def repeat(context: WriteContext) -> None:
    """Violate a constraint of a table of its own."""
    await context.session.execute(sa.insert(Line), [{"text": "same"}, {"text": "same"}])


async def repeat_at_last(context: WriteContext) -> None:
    """Leave what violates a constraint to be flushed by the commit."""
    context.session.add_all([Line(text="same"), Line(text="same")])


async def refer(context: WriteContext) -> None:
    """Violate a constraint that is looked at when the transaction is committed."""
    context.values["parent_id"] = 99


FAULTS = {
    "refused-before": ("before", refuse, 403),
    "refused-after": ("after", refuse, 403),
    "failed-before": ("before", fail, 500),
    "failed-after": ("after", fail, 500),
    "constraint-of-another-table": ("after", repeat, 409),
    "constraint-at-the-flush": ("after", repeat_at_last, 409),
    "constraint-at-the-commit": ("before", refer, 409),
}


@everywhere
@pytest.mark.parametrize(("place", "hook", "status"), FAULTS.values(), ids=FAULTS)
async def test_a_hook_that_fails_undoes_all(
    database: Database, dependencies: list[Any], place: str, hook: Any, status: int
) -> None:
    """Whatever goes wrong in a hook, neither the write nor what hooks wrote is stored, and nobody is told of it."""
    router, told = entries(dependencies), list[Changed]()
    for operation in ("create", "update", "delete"):
        router.before(operation)(write_line)
        getattr(router, place)(operation)(hook)

    @router.after_commit
    async def tell(changed: Changed) -> None:
        told.append(changed)

    async with client(app_with(database, router)) as api:
        answers = [
            await api.post("/entries", json={"name": "new"}),
            await api.patch("/entries/1", json={"name": "x"}),
            await api.post("/entries/bulk", json=[{"name": "new"}]),
            await api.patch("/entries", json=[{"id": 1, "name": "x"}]),
        ]
        if hook is not refer:
            answers.append(await api.delete("/entries/1"))
    assert [answer.status_code for answer in answers] == [status] * len(answers)
    assert not any("no client" in answer.text for answer in answers)
    assert (await stored(database), await stored(database, Line.text), told) == (["first"], [], [])


@everywhere
async def test_a_write_that_is_refused_undoes_what_hooks_wrote(database: Database, dependencies: list[Any]) -> None:
    """A violated constraint, or a row that is not there, leaves nothing of what was written before."""
    router = entries(dependencies)
    for operation in WRITE_OPERATIONS:
        router.before(operation)(write_line)
    async with client(app_with(database, router)) as api:
        repeated = await api.post("/entries", json={"name": "first"})
        assert (repeated.status_code, repeated.json()["fields"]) == (409, ["name"])
        orphan = await api.post("/entries", json={"name": "new", "parent_id": 99})
        assert (orphan.status_code, orphan.json()["violation"]) == (409, "foreign_key")
        assert (await api.patch("/entries/99", json={"name": "x"})).status_code == 404
        assert (await api.delete("/entries/99")).status_code == 404
        assert (await api.post("/entries/99/restore")).status_code == 404
    assert (await stored(database), await stored(database, Line.text)) == (["first"], [])


async def test_only_writes_have_hooks() -> None:
    """A hook of anything else is refused with the names of what has hooks."""
    with pytest.raises(ResourceError, match="'list' has no hooks; create, replace, update, delete, restore have"):
        entries().before("list")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


async def test_without_hooks_a_write_stays_one_statement(database: Database) -> None:
    """Hooks of other operations, and listeners, cost no transaction; hooks cost one."""
    router = entries()
    router.before("delete")(write_line)

    @router.after_commit
    async def listen(changed: Changed) -> None:
        assert changed.operation in {"create", "update"}

    app = app_with(database, router)
    async with client(app) as api:
        await api.get("/entries")
        statements = Statements(database)
        for method, path, body in (("POST", "", {"name": "new"}), ("PATCH", "/1", {"size": 1})):
            assert (await api.request(method, f"/entries{path}", json=body)).is_success
            assert len(statements.take()) == 1
        router.after("update")(write_line)
        assert (await api.patch("/entries/1", json={"size": 2})).status_code == 200
        assert statements.take()[-1] == "COMMIT"


async def test_each_row_of_a_bulk_write_has_its_hooks(database: Database) -> None:
    """Hooks run for each row in its turn, in one transaction, which one row that is refused undoes."""
    router, seen = entries(), list[Any]()

    async def see(context: WriteContext) -> None:
        seen.append((context.operation, context.values.get("name"), context.key.get("id")))
        if context.values.get("name") == "bad":
            raise ConflictError("This one is not good.")

    operations: tuple[WriteOperation, ...] = ("create", "update", "delete")
    for operation in operations:
        router.before(operation)(write_line)
        router.after(operation)(see)
    async with client(app_with(database, router)) as api:
        assert (await api.post("/entries/bulk", json=[{"name": "a"}, {"name": "bad"}])).status_code == 409
        made = (await api.post("/entries/bulk", json=[{"name": "b"}, {"name": "a", "size": 1}])).json()
        keys = [item["id"] for item in made]
        patches: list[Any] = [{"id": keys[1], "name": "x"}, {"id": keys[0], "name": "y"}]
        assert (await api.patch("/entries", json=patches)).status_code == 200
        assert (await api.patch("/entries", json=[{"id": keys[0], "name": "bad"}])).status_code == 409
        assert (await api.delete(f"/entries?id={keys[0]}")).status_code == 204
    assert [name for _, name, _ in seen] == ["a", "bad", "b", "a", "x", "y", "bad", None]
    assert seen[4:6] == [("update", "x", keys[1]), ("update", "y", keys[0])]
    lines = await stored(database, Line.text)
    assert lines == ["create a", "create b", "delete None", "update x", "update y"]
