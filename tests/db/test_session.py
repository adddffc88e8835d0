"""The session dependency: one transaction per request, committed before the answer."""

from collections.abc import AsyncGenerator
from typing import Annotated, Any

import pytest
from fastapi import BackgroundTasks, Depends, FastAPI, HTTPException, Request
from fastapi.responses import StreamingResponse
from sqlalchemy import ForeignKey, String, select, text
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from fastapi_kit.db import (
    Database,
    NoDatabaseError,
    SecondSessionError,
    SessionDep,
    SessionScopeError,
    get_db,
    get_session,
)
from fastapi_kit.lifespan import compose
from fastapi_kit.testing import client

pytestmark = pytest.mark.anyio


class Models(DeclarativeBase):
    """A registry for these tests alone."""


class Item(Models):
    """A row whose foreign key PostgreSQL checks at COMMIT."""

    __tablename__ = "item"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(9), unique=True)
    parent_id: Mapped[int | None] = mapped_column(ForeignKey("item.id", deferrable=True, initially="DEFERRED"))


@pytest.fixture
async def app(database: Database) -> FastAPI:
    """An app without routes whose database has the table."""
    async with database.engine.begin() as connection:
        await connection.run_sync(Models.metadata.create_all)
    return FastAPI(lifespan=compose(database.lifespan))


async def names(database: Database) -> list[str]:
    """What is stored."""
    return list(await database.run(lambda connection: connection.scalars(select(Item.name).order_by(Item.id))))


async def test_commits_before_the_answer(app: FastAPI, database: Database) -> None:
    """When the answer's background task runs, the row is there for everyone."""
    seen: list[list[str]] = []

    @app.post("/")
    async def endpoint(session: SessionDep, tasks: BackgroundTasks) -> None:
        async def look() -> None:
            seen.append(await names(database))

        session.add(Item(name="a"))
        tasks.add_task(look)

    async with client(app) as api:
        assert (await api.post("/")).status_code == 200
    assert seen == [["a"]]


async def test_a_commit_that_fails_is_no_success(app: FastAPI, database: Database) -> None:
    """A constraint that is checked at COMMIT makes a 409 of what the endpoint thought was done."""

    @app.post("/", status_code=201)
    async def endpoint(session: SessionDep) -> None:
        session.add(Item(name="a", parent_id=99))
        await session.flush()

    async with client(app) as api:
        assert (await api.post("/")).status_code == 409
    assert await names(database) == []


@pytest.mark.parametrize("error", [HTTPException(418), ValueError("unforeseen")], ids=["http", "other"])
async def test_an_error_rolls_back(app: FastAPI, database: Database, error: Exception) -> None:
    """Whatever the endpoint raises, nothing of the request is stored."""

    @app.post("/")
    async def endpoint(session: SessionDep) -> None:
        session.add(Item(name="a"))
        await session.flush()
        raise error

    async with client(app) as api:
        assert (await api.post("/")).status_code in {418, 500}
    assert await names(database) == []


async def test_dependencies_share_one_session(app: FastAPI) -> None:
    """Whoever asks for the session in a request gets the same one."""

    async def first(session: SessionDep) -> AsyncSession:
        return session

    @app.get("/")
    async def endpoint(session: SessionDep, other: Annotated[AsyncSession, Depends(first)]) -> bool:
        return session is other

    async with client(app) as api:
        assert (await api.get("/")).json() is True


async def test_a_second_session_is_refused(app: FastAPI) -> None:
    """Two sessions could wait for each other; the message says how to have one."""

    @app.get("/")
    async def endpoint(
        session: SessionDep,
        other: Annotated[AsyncSession, Depends(get_session, scope="function", use_cache=False)],
    ) -> None:
        raise AssertionError((session, other))

    async with client(app, raise_app_exceptions=True) as api:
        with pytest.raises(SecondSessionError, match="SessionDep"):
            await api.get("/")


async def test_the_override_is_used(app: FastAPI) -> None:
    """Tests replace the session like any other dependency, under either of its names."""

    @app.get("/")
    async def endpoint(session: SessionDep) -> str:
        return str(session)

    app.dependency_overrides[get_db] = lambda: "mine"
    async with client(app) as api:
        assert (await api.get("/")).json() == "mine"


async def test_no_database_is_told_apart(database: Database) -> None:
    """An app that was started without the database's lifespan says so."""
    app = FastAPI()

    @app.get("/")
    async def endpoint(session: SessionDep) -> None:
        raise AssertionError(session)

    async with client(app, raise_app_exceptions=True) as api:
        with pytest.raises(NoDatabaseError, match="lifespan"):
            await api.get("/")


async def test_a_stream_opens_its_own_session(app: FastAPI) -> None:
    """The generator of a stream outlives the request's session, and uses one of its own."""

    @app.get("/")
    async def endpoint(request: Request) -> StreamingResponse:
        async def stream() -> AsyncGenerator[bytes]:
            async with request.state.database.session() as session:
                yield str((await session.execute(text("SELECT 1"))).scalar_one()).encode()

        return StreamingResponse(stream())

    async with client(app) as api:
        assert (await api.get("/")).text == "1"


async def between(session: SessionDep) -> AsyncSession:
    """Hides the session from the dependency above it, which FastAPI itself would refuse."""
    return session


async def late_and_hidden(session: Annotated[Any, Depends(between)]) -> AsyncGenerator[None]:
    """Ends after the response, when its session is closed."""
    yield
    raise AssertionError(session)


class Late:
    """A dependency that is an instance."""

    async def __call__(self, session: Annotated[Any, Depends(between)]) -> AsyncGenerator[None]:
        """End after the response as well."""
        yield
        raise AssertionError(session)


@pytest.mark.parametrize(
    ("dependency", "cure"),
    [
        pytest.param(Depends(get_session), "SessionDep", id="session-of-the-request"),
        pytest.param(Depends(late_and_hidden), r"Depends\(late_and_hidden, scope='function'\)", id="function"),
        pytest.param(Depends(Late()), "scope='function'", id="instance"),
    ],
)
@pytest.mark.parametrize("where", ["route", "include", "app"])
async def test_a_dependency_that_outlives_the_session_stops_the_start(
    database: Database, dependency: Any, cure: str, where: str
) -> None:
    """The route, the dependency and the cure are named when the app starts, wherever the dependency stands."""
    app = FastAPI(lifespan=compose(database.lifespan), dependencies=[dependency] if where == "app" else [])
    inner = FastAPI()

    async def endpoint() -> None: ...

    inner.router.add_api_route("/x", endpoint, dependencies=[dependency] if where == "route" else [])
    app.include_router(inner.router, prefix="/api", dependencies=[dependency] if where == "include" else [])
    with pytest.raises(SessionScopeError, match=cure) as caught:
        async with client(app):
            pass
    assert "/api/x" in str(caught.value)


async def test_a_dependency_of_function_scope_starts(database: Database) -> None:
    """What ends before the response may use the session, and so may what yields nothing."""
    app = FastAPI(lifespan=compose(database.lifespan))

    async def early(session: SessionDep) -> AsyncGenerator[AsyncSession]:
        yield session

    @app.get("/", dependencies=[Depends(early, scope="function"), Depends(between)])
    async def endpoint() -> str:
        return "ok"

    async with client(app) as api:
        assert (await api.get("/")).json() == "ok"
