"""Generated routes obey everything that FastAPI lets stand above a route, wherever they are included."""

from collections.abc import AsyncGenerator, Callable
from typing import Annotated, Any

import anyio
import pytest
from fastapi import APIRouter, Depends, FastAPI, Header, HTTPException, Query, Request
from sqlalchemy import String, insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from fastapi_kit.crud import CRUDRouter
from fastapi_kit.crud import _route as route_module
from fastapi_kit.db import Database, get_session
from fastapi_kit.errors import install
from fastapi_kit.lifespan import compose
from fastapi_kit.testing import client

pytestmark = pytest.mark.anyio


class Models(DeclarativeBase):
    """A registry for these tests alone."""


class Item(Models):
    """A row."""

    __tablename__ = "item"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(300), unique=True)


@pytest.fixture
async def database() -> AsyncGenerator[Database]:
    """A database in memory, with one row."""
    database = Database("sqlite://")
    async with database.engine.begin() as connection:
        await connection.run_sync(Models.metadata.create_all)
        await connection.execute(insert(Item), {"name": "first"})
    yield database
    await database.dispose()


def make_app(database: Database, **options: Any) -> FastAPI:
    """An app with errors installed and no routes."""
    app = FastAPI(lifespan=compose(database.lifespan), **options)
    install(app)
    return app


async def guard(token: Annotated[str, Header()] = "") -> None:
    """Let nobody in without the token."""
    if token != "secret":
        raise HTTPException(401)


GUARD = Depends(guard)
Build = Callable[[Database], tuple[FastAPI, str]]


def on_app(database: Database) -> tuple[FastAPI, str]:
    """`FastAPI(dependencies=...)`."""
    app = make_app(database, dependencies=[GUARD])
    app.include_router(CRUDRouter(Item, prefix="/items"))
    return app, "/items"


def on_include(database: Database) -> tuple[FastAPI, str]:
    """`include_router(..., dependencies=...)`."""
    app = make_app(database)
    app.include_router(CRUDRouter(Item, prefix="/items"), prefix="/v1", dependencies=[GUARD])
    return app, "/v1/items"


def on_parent(database: Database) -> tuple[FastAPI, str]:
    """The router that includes it has the dependency."""
    app, parent = make_app(database), APIRouter(prefix="/parent", dependencies=[GUARD])
    parent.include_router(CRUDRouter(Item, prefix="/items"))
    app.include_router(parent)
    return app, "/parent/items"


def on_grandparent(database: Database) -> tuple[FastAPI, str]:
    """Two inclusions above."""
    app, outer, inner = make_app(database), APIRouter(prefix="/outer"), APIRouter(prefix="/inner")
    inner.include_router(CRUDRouter(Item, prefix="/items"))
    outer.include_router(inner, dependencies=[GUARD])
    app.include_router(outer)
    return app, "/outer/inner/items"


def on_router(database: Database) -> tuple[FastAPI, str]:
    """`CRUDRouter(dependencies={"*": ...})`."""
    app = make_app(database)
    app.include_router(CRUDRouter(Item, prefix="/items", dependencies={"*": [GUARD]}))
    return app, "/items"


def on_operations(database: Database) -> tuple[FastAPI, str]:
    """`CRUDRouter(dependencies={operation: ...})`."""
    app = make_app(database)
    app.include_router(
        CRUDRouter(Item, prefix="/items", dependencies={"list": [GUARD], "get": [GUARD], "create": [GUARD]})
    )
    return app, "/items"


def on_second_inclusion(database: Database) -> tuple[FastAPI, str]:
    """The same router is included twice, the first time for everyone."""
    app, router = make_app(database), CRUDRouter(Item, prefix="/items")
    app.include_router(router)
    app.include_router(router, prefix="/guarded", dependencies=[GUARD])
    return app, "/guarded/items"


def on_first_inclusion(database: Database) -> tuple[FastAPI, str]:
    """The same router is included twice, the second time for everyone."""
    app, router = make_app(database), CRUDRouter(Item, prefix="/items")
    app.include_router(router, prefix="/guarded", dependencies=[GUARD])
    app.include_router(router)
    return app, "/guarded/items"


def in_mounted_app(database: Database) -> tuple[FastAPI, str]:
    """A mounted app has the dependency."""
    app, inner = make_app(database), make_app(database, dependencies=[GUARD])
    inner.include_router(CRUDRouter(Item, prefix="/items"))
    app.mount("/mounted", inner)
    return app, "/mounted/items"


def in_mounted_router(database: Database) -> tuple[FastAPI, str]:
    """A router under a bare mount includes it with the dependency, the app includes it without."""
    app, mounted, router = make_app(database), APIRouter(), CRUDRouter(Item, prefix="/items")
    app.include_router(router)
    mounted.include_router(router, dependencies=[GUARD])
    app.mount("/mounted", mounted)
    return app, "/mounted/items"


def in_another_app(database: Database) -> tuple[FastAPI, str]:
    """Another app includes the same router for everyone."""
    app, other, router = make_app(database, dependencies=[GUARD]), make_app(database), CRUDRouter(Item, prefix="/items")
    other.include_router(router)
    app.include_router(router)
    return app, "/items"


@pytest.mark.parametrize(
    "build",
    [
        on_app,
        on_include,
        on_parent,
        on_grandparent,
        on_router,
        on_operations,
        on_second_inclusion,
        on_first_inclusion,
        in_mounted_app,
        in_mounted_router,
        in_another_app,
    ],
)
async def test_dependencies_are_never_skipped(database: Database, build: Build) -> None:
    """Nobody passes the guard without its token, from the first request on; with it everybody does."""
    app, path = build(database)
    async with client(app) as api:
        for _ in range(2):
            assert (await api.get(path)).status_code == 401
            assert (await api.get(f"{path}/1")).status_code == 401
            assert (await api.post(path, json={"name": "x"})).status_code == 401
            assert (await api.get(path, headers={"token": "secret"})).json()["total"] == 1


async def test_inclusions_without_dependencies_stay_open(database: Database) -> None:
    """What one inclusion guards, another does not, in whatever order they are asked."""
    app, router = make_app(database), CRUDRouter(Item, prefix="/items")
    app.include_router(router)
    app.include_router(router, prefix="/guarded", dependencies=[GUARD])
    async with client(app) as api:
        for _ in range(2):
            assert (await api.get("/guarded/items")).status_code == 401
            assert (await api.get("/items")).status_code == 200


async def test_a_late_inclusion_is_guarded(database: Database) -> None:
    """A router that is included again while the app runs brings its dependencies with it."""
    app, router = make_app(database), CRUDRouter(Item, prefix="/items")
    app.include_router(router)
    async with client(app) as api:
        assert (await api.get("/items")).status_code == 200
        app.include_router(router, prefix="/late", dependencies=[GUARD])
        assert (await api.get("/late/items")).status_code == 401
        assert (await api.get("/items")).status_code == 200


async def test_a_route_without_dependencies_is_direct(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """FastAPI's solver is passed by where there is nothing to solve, and only there."""
    solved: list[str] = []

    async def spy(self: Any, request: Request) -> Any:
        solved.append(request.url.path)
        return await self.operation(request, None)

    monkeypatch.setattr(route_module.Endpoint, "__call__", spy)
    app, router = make_app(database), CRUDRouter(Item, prefix="/items")
    app.include_router(router)
    app.include_router(router, prefix="/guarded", dependencies=[GUARD])
    async with client(app) as api:
        await api.get("/items")
        await api.get("/guarded/items", headers={"token": "secret"})
    assert solved == ["/guarded/items"]


async def test_overrides_are_obeyed(database: Database) -> None:
    """A session that is put in place of the kit's is used, and no longer when the override is taken back."""
    app = make_app(database)
    app.include_router(CRUDRouter(Item, prefix="/items"))
    used: list[AsyncSession] = []

    async def mine() -> AsyncGenerator[AsyncSession]:
        async with database.session() as session:
            used.append(session)
            yield session  # never committed

    async with client(app) as api:
        assert (await api.get("/items")).json()["total"] == 1
        app.dependency_overrides[get_session] = mine
        assert (await api.post("/items", json={"name": "gone"})).status_code == 201
        app.dependency_overrides.clear()
        assert (await api.get("/items")).json()["total"] == 1
    assert len(used) == 1


async def test_an_overridden_guard_lets_in(database: Database) -> None:
    """Any dependency can be replaced, as in every FastAPI app."""
    app, path = on_include(database)
    app.dependency_overrides[guard] = lambda: None
    async with client(app) as api:
        assert (await api.get(path)).status_code == 200


async def test_an_overridden_session_does_not_open_the_door(database: Database) -> None:
    """Where the session is replaced, dependencies hold as before, and their parameters are known."""
    app, path = on_include(database)

    async def mine() -> AsyncGenerator[AsyncSession]:
        async with database.session() as session:
            yield session

    app.dependency_overrides[get_session] = mine
    async with client(app) as api:
        assert (await api.get(path)).status_code == 401
        assert (await api.get(path, headers={"token": "secret"})).json()["total"] == 1


@pytest.mark.parametrize("where", ["router", "include", "parent"])
async def test_body_limits_hold(database: Database, where: str) -> None:
    """The nearest limit counts, and more than that is a 413 of the one shape."""
    app = make_app(database)
    limit = 50
    parent = APIRouter(max_body_size=limit if where == "parent" else None)
    router = CRUDRouter(Item, prefix="/items", max_body_size=limit if where == "router" else None)
    parent.include_router(router, max_body_size=limit if where == "include" else None)
    app.include_router(parent)
    async with client(app) as api:
        assert (await api.post("/items", json={"name": "x"})).status_code == 201
        answer = await api.post("/items", json={"name": "x" * 200})
        assert answer.status_code == 413
        assert answer.headers["content-type"] == "application/problem+json"


async def test_the_default_body_limit(database: Database) -> None:
    """Unless a router says otherwise, a body has at most 256 KiB."""
    app = make_app(database)
    app.include_router(CRUDRouter(Item, prefix="/items"))
    async with client(app) as api:
        assert (await api.post("/items", content=b" " * (256 * 1024 + 1))).status_code == 413


async def test_unserved_methods_are_405(database: Database) -> None:
    """Methods without an operation are refused, with all that are served at that path."""
    app = make_app(database)
    app.include_router(CRUDRouter(Item, prefix="/items", routes={"list", "get", "delete"}))
    async with client(app) as api:
        answer = await api.patch("/items/1", json={})
        assert answer.status_code == 405
        assert set(answer.headers["allow"].split(", ")) == {"GET", "HEAD", "DELETE"}
        assert (await api.post("/items", json={})).headers["allow"] == "GET, HEAD"


async def test_parameters_of_dependencies_are_known(database: Database) -> None:
    """A query parameter is unknown only if neither the operation nor a dependency takes it."""

    async def tenant(tenant: str = "", page_token: Annotated[str, Query(alias="token")] = "") -> None: ...

    app = make_app(database)
    app.include_router(CRUDRouter(Item, prefix="/items"), dependencies=[Depends(tenant)])
    async with client(app) as api:
        assert (await api.get("/items?tenant=a&token=b&limit=1")).status_code == 200
        assert (await api.get("/items/1?tenant=a")).status_code == 200
        answer = await api.get("/items?tenannt=a")
        assert answer.status_code == 422
        assert answer.json()["errors"][0]["loc"] == ["query", "tenannt"]


async def test_concurrent_first_requests(database: Database) -> None:
    """Requests that come before the route has looked itself up are answered alike."""
    app, path = on_second_inclusion(database)
    statuses: list[int] = []
    async with client(app) as api, anyio.create_task_group() as tasks:

        async def ask(url: str) -> None:
            statuses.append((await api.get(url)).status_code)

        for url in (path, "/items") * 5:
            tasks.start_soon(ask, url)
    assert sorted(statuses) == [200] * 5 + [401] * 5
