"""`rolled_back`: what a test does to a real database is gone afterwards."""

from functools import partial

import anyio
import httpx2
import pytest
from fastapi import FastAPI
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, String, insert, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from fastapi_kit.crud import CRUDRouter
from fastapi_kit.db import Database, SessionDep
from fastapi_kit.errors import install
from fastapi_kit.lifespan import compose
from fastapi_kit.testing import client, rolled_back

pytestmark = pytest.mark.anyio


class Models(DeclarativeBase):
    """A registry for these tests alone."""


class Item(Models):
    """A row."""

    __tablename__ = "item"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(50), unique=True)


@pytest.fixture
async def items(database: Database) -> Database:
    """A database with one row."""
    async with database.engine.begin() as connection:
        await connection.run_sync(Models.metadata.create_all)
        await connection.execute(insert(Item), {"name": "before"})
    return database


def insert_on(name: str, connection: Connection) -> None:
    """Store a row."""
    connection.execute(insert(Item), {"name": name})


def names_on(connection: Connection) -> list[str]:
    """What is stored."""
    return list(connection.scalars(select(Item.name).order_by(Item.id)))


async def test_everything_is_seen_and_then_gone(items: Database) -> None:
    """Sessions, single statements and transactions of the engine see each other's commits, until the end."""
    async with rolled_back(items):
        async with items.session() as session:
            session.add(Item(name="by session"))
            await session.commit()
        async with items.engine.begin() as connection:
            await connection.execute(insert(Item), {"name": "by engine"})
        await items.run(partial(insert_on, "by statement"))
        assert await items.run(names_on) == ["before", "by session", "by engine", "by statement"]
    assert await items.run(names_on) == ["before"]


async def test_a_rollback_in_the_test_undoes_its_own_work_only(items: Database) -> None:
    """A session that rolls back, or a statement that fails, leaves what was committed before."""
    async with rolled_back(items):
        await items.run(partial(insert_on, "kept"))
        async with items.session() as session:
            session.add(Item(name="dropped"))
            await session.flush()
            await session.rollback()
        with pytest.raises(IntegrityError):
            await items.run(partial(insert_on, "kept"))
        assert await items.run(names_on) == ["before", "kept"]
    assert await items.run(names_on) == ["before"]


async def test_an_error_in_the_test_rolls_back_too(items: Database) -> None:
    """A failing test leaves nothing behind, and the database is usable."""

    async def failing() -> None:
        async with rolled_back(items):
            await items.run(partial(insert_on, "x"))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await failing()
    assert await items.run(names_on) == ["before"]


async def test_covers_an_app(items: Database) -> None:
    """Generated routes and endpoints with sessions are covered, side by side."""
    app = FastAPI(lifespan=compose(items.lifespan))
    install(app)
    app.include_router(CRUDRouter(Item, prefix="/items"))

    @app.post("/own")
    async def own(session: SessionDep) -> None:
        session.add(Item(name="own"))

    async with rolled_back(items), client(app) as api:
        async with anyio.create_task_group() as tasks:
            for number in range(5):
                tasks.start_soon(post, api, {"name": f"item {number}"})
        assert (await api.post("/own")).status_code == 200
        assert (await api.post("/items", json={"name": "own"})).status_code == 409
        assert (await api.get("/items")).json()["total"] == 7
    assert await items.run(names_on) == ["before"]


async def post(api: httpx2.AsyncClient, body: dict[str, str]) -> None:
    """Make an item."""
    answer = await api.post("/items", json=body)
    assert answer.status_code == 201


async def test_two_connections_at_once_are_found_out(items: Database) -> None:
    """Work that would hold two connections fails, where in production it could wait for itself."""
    async with rolled_back(items), items.session() as session:
        await session.execute(select(Item))
        with pytest.raises(PoolTimeoutError):
            await items.run(names_on)


@st.composite
def programs(draw: st.DrawFn) -> list[tuple[str, str]]:
    """Ways of writing, each with how it ends."""
    step = st.tuples(
        st.sampled_from(["session", "engine", "statement", "nested"]), st.sampled_from(["commit", "rollback"])
    )
    return draw(st.lists(step, max_size=8))


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(program=programs())
async def test_law(items: Database, program: list[tuple[str, str]]) -> None:
    """For every program, what is seen meanwhile is what it committed, and afterwards nothing has happened."""
    async with rolled_back(items):
        expected = ["before"]
        for number, (way, end) in enumerate(program):
            name = f"row {number}"
            if way == "statement":
                await items.run(partial(insert_on, name))
                end = "commit"  # noqa: PLW2901 - it has no other
            else:
                async with items.session() as session:
                    await write(session, name, nested=way == "nested")
                    await (session.commit() if end == "commit" else session.rollback())
            if end == "commit":
                expected.append(name)
        assert await items.run(names_on) == expected
    assert await items.run(names_on) == ["before"]


async def write(session: AsyncSession, name: str, *, nested: bool) -> None:
    """Add a row, after one that a savepoint of the session's own takes back."""
    if nested:
        savepoint = await session.begin_nested()
        session.add(Item(name=f"{name} taken back"))
        await session.flush()
        await savepoint.rollback()
    session.add(Item(name=name))
    await session.flush()
