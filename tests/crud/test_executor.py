"""Connections, statements and transactions of generated routes."""

from collections.abc import AsyncGenerator
from functools import partial
from typing import Any

import anyio
import pytest
from fastapi import Depends, FastAPI, Request, Response
from sqlalchemy import ForeignKey, MetaData, String, insert, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from fastapi_kit.crud import CRUDRouter
from fastapi_kit.db import Base, Database, Pool, SessionDep
from fastapi_kit.errors import install
from fastapi_kit.lifespan import compose
from fastapi_kit.testing import client
from tests.crud.counting import Statements

pytestmark = pytest.mark.anyio


class Models(DeclarativeBase):
    """A registry for these tests alone."""


class Item(Models):
    """A row whose parent is looked up at COMMIT."""

    __tablename__ = "item"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(50))
    parent_id: Mapped[int | None] = mapped_column(ForeignKey("item.id", deferrable=True, initially="DEFERRED"))


async def reading(session: SessionDep) -> None:
    """A dependency that begins the request's transaction, as one that loads a user does."""
    await session.execute(select(Item.id).limit(1))


async def declaring(session: SessionDep) -> None:
    """A dependency that has the session, and no use for it."""


async def writing(session: SessionDep) -> None:
    """A dependency that leaves work to be flushed."""
    session.add(Item(name="by the dependency"))


async def make_app(database: Database) -> FastAPI:
    """Items without dependencies, and with each of the above."""
    async with database.engine.begin() as connection:
        await connection.run_sync(Models.metadata.create_all)
        await connection.execute(insert(Item), [{"name": f"item {n}"} for n in range(30)])
    app = FastAPI(lifespan=compose(database.lifespan))
    install(app)
    router = CRUDRouter(Item, prefix="/items")
    app.include_router(router)
    for dependency in (reading, declaring, writing):
        app.include_router(router, prefix=f"/{dependency.__name__}", dependencies=[Depends(dependency)])
    return app


@pytest.fixture
async def app(database: Database) -> FastAPI:
    """The app on each backend."""
    return await make_app(database)


PREFIXES = ["", "/declaring", "/reading", "/writing"]


@pytest.mark.parametrize("prefix", PREFIXES, ids=lambda prefix: prefix or "direct")
async def test_one_connection_is_enough(database: Database, prefix: str) -> None:
    """With a pool of one, every operation is answered, whether the request has a session or not, also side by side."""
    single = Database(database.url, pool=Pool(size=1, timeout=5))
    app = await make_app(single)
    async with client(app) as api:
        statuses = [
            (await api.get(f"{prefix}/items?count=exact")).status_code,
            (await api.get(f"{prefix}/items/1")).status_code,
            (await api.post(f"{prefix}/items", json={"name": "new"})).status_code,
            (await api.patch(f"{prefix}/items/1", json={"name": "patched"})).status_code,
            (await api.put(f"{prefix}/items/1", json={"name": "put"})).status_code,
            (await api.delete(f"{prefix}/items/2")).status_code,
            (await api.post(f"{prefix}/items", json={"name": "orphan", "parent_id": 99})).status_code,
            (await api.get(f"{prefix}/items/1")).status_code,
        ]
        assert statuses == [200, 200, 201, 200, 200, 204, 409, 200]

        async def ask() -> None:
            statuses.append((await api.get(f"{prefix}/items/1")).status_code)

        async with anyio.create_task_group() as tasks:
            for _ in range(8):
                tasks.start_soon(ask)
    assert statuses[8:] == [200] * 8


@pytest.mark.parametrize("prefix", PREFIXES, ids=lambda prefix: prefix or "direct")
async def test_a_commit_that_fails_is_a_conflict(app: FastAPI, database: Database, prefix: str) -> None:
    """A constraint that is checked at COMMIT is a 409, and nothing is stored, in every kind of transaction."""
    async with client(app) as api:
        for answer in (
            await api.post(f"{prefix}/items", json={"name": "orphan", "parent_id": 99}),
            await api.patch(f"{prefix}/items/1", json={"parent_id": 99}),
        ):
            assert answer.status_code == 409
            assert answer.json()["violation"] == "foreign_key"
    stored = await database.run(lambda connection: list(connection.scalars(select(Item.parent_id).distinct())))
    assert stored == [None]


async def test_writes_join_the_transaction_of_the_request(app: FastAPI, database: Database) -> None:
    """What a dependency has written is committed together with the operation, or not at all."""
    async with client(app) as api:
        refused = await api.post("/writing/items", json={"name": "orphan", "parent_id": 99})
        assert refused.status_code == 409
        assert await count(database, "by the dependency") == 0
        assert (await api.post("/writing/items", json={"name": "child"})).status_code == 201
        assert await count(database, "by the dependency") == 1


async def count(database: Database, name: str) -> int:
    """How many items have the name."""
    found = await database.run(lambda connection: list(connection.scalars(select(Item.id).where(Item.name == name))))
    return len(found)


@pytest.mark.parametrize("prefix", ["", "/declaring"], ids=["direct", "unused-session"])
async def test_one_statement_each(app: FastAPI, database: Database, prefix: str) -> None:
    """Each operation is one statement, without BEGIN or COMMIT, also where dependencies did not use the session."""
    async with client(app) as api:
        await api.get(f"{prefix}/items/1")
        statements = Statements(database)
        for method, path, body in (
            ("GET", "/items/1", None),
            ("GET", "/items?count=none", None),
            ("GET", "/items?limit=100", None),
            ("POST", "/items", {"name": "new"}),
            ("PATCH", "/items/1", {"name": "patched"}),
            ("PATCH", "/items/1", {}),
            ("PUT", "/items/1", {"name": "put"}),
            ("DELETE", "/items/2", None),
        ):
            answer = await api.request(method, prefix + path, json=body)
            assert answer.is_success
            assert len(statements.take()) == 1, f"{method} {path}"


def _note(queries: list[str], record: Any) -> None:
    queries.append(record.query)


async def test_the_driver_sees_no_transaction(postgres: Database) -> None:
    """On PostgreSQL single statements are not wrapped in BEGIN and COMMIT or ROLLBACK, which sessions are."""
    app = await make_app(postgres)
    queries: list[str] = []
    async with client(app) as api:
        await api.get("/items/1")
        async with postgres.connections.resting.connect() as connection:
            driver = (await connection.get_raw_connection()).driver_connection
            assert driver is not None
            # Told of everything but prepared statements, which SQLAlchemy runs all others as.
            driver.add_query_logger(partial(_note, queries))
        await api.get("/items/1")
        await api.patch("/items/1", json={"name": "x"})
        assert queries == []
        await api.get("/reading/items/1")
        assert [query.split()[0].strip(";") for query in queries] == ["BEGIN", "COMMIT"]


async def test_a_session_of_ones_own_is_used_as_it_is(app: FastAPI, database: Database) -> None:
    """A session that has begun a transaction before the operation is in it still afterwards."""
    seen: list[bool] = []

    async def look(session: SessionDep) -> AsyncGenerator[AsyncSession]:
        yield session
        seen.append(session.in_transaction())

    app.include_router(
        CRUDRouter(Item, prefix="/looked"), dependencies=[Depends(look, scope="function"), Depends(reading)]
    )
    async with client(app) as api:
        assert (await api.get("/looked/1")).status_code == 200
    assert seen == [True]


class PlainModels(DeclarativeBase):
    """A registry of another table, without what MariaDB does not know."""

    metadata = MetaData(naming_convention=Base.metadata.naming_convention)


class Entry(PlainModels):
    """A row that refers to another."""

    __tablename__ = "entry"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(50))
    rank: Mapped[int | None]
    parent_id: Mapped[int | None] = mapped_column(ForeignKey("entry.id"))


@pytest.mark.mariadb
async def test_mariadb_updates_and_reads_in_one_transaction(mariadb: Database) -> None:
    """Without UPDATE … RETURNING, the row that was written is the row that is answered; the rest is as elsewhere."""
    async with mariadb.engine.begin() as connection:
        await connection.run_sync(PlainModels.metadata.create_all)
        await connection.execute(insert(Entry), [{"name": f"entry {n}", "rank": n or None} for n in range(5)])
    app = FastAPI(lifespan=compose(mariadb.lifespan))
    install(app)
    router = CRUDRouter(Entry, prefix="/entries")
    app.include_router(router)
    app.include_router(router, prefix="/declaring", dependencies=[Depends(declaring)])
    async with client(app) as api:
        assert (await api.post("/entries", json={"name": "new"})).status_code == 201
        answer = await api.patch("/entries/1", json={"name": "patched"})
        assert (answer.status_code, answer.json()["name"]) == (200, "patched")
        assert (await api.patch("/entries/9999", json={"name": "patched"})).status_code == 404
        assert (await api.put("/declaring/entries/1", json={"name": "put"})).json()["name"] == "put"
        refused = await api.patch("/entries/1", json={"parent_id": 99})
        assert (refused.status_code, refused.json()["fields"]) == (409, ["parent_id"])
        listed = (await api.get("/entries?sort=-rank,name&limit=3&name__contains=entry&count=exact")).json()
        assert [item["rank"] for item in listed["items"]] == [4, 3, 2]
        first = (await api.get("/entries?sort=-rank,name&limit=2")).json()
        assert [item["rank"] for item in first["items"]] == [None, None]
        assert listed["total"] == 4
        assert (await api.delete("/entries/1")).status_code == 204


async def test_the_database_out_of_reach(app: FastAPI) -> None:
    """Every operation is a 503 with `Retry-After` while the database cannot be reached."""
    lost = Database("postgresql://nobody@127.0.0.1:9/none", pool=Pool(timeout=1))
    app.router.lifespan_context = compose(lost.lifespan)
    async with client(app) as api:
        for prefix in ("", "/declaring", "/reading"):
            answer = await api.get(f"{prefix}/items/1")
            assert answer.status_code == 503
            assert answer.headers["retry-after"]
            assert "nobody" not in answer.text


async def endpoint_using_both(request: Request, session: SessionDep) -> Response:
    """Not a generated route, but one that uses the session after one."""
    await session.execute(select(Item.id))
    return Response(status_code=204)


async def test_other_routes_have_the_same_session_rule(app: FastAPI) -> None:
    """A route of the app's own in the same app is not disturbed by what generated routes do."""
    app.add_api_route("/own", endpoint_using_both)
    async with client(app) as api:
        await api.get("/items/1")
        assert (await api.get("/own")).status_code == 204
        await api.get("/reading/items/1")
        assert (await api.get("/own")).status_code == 204
