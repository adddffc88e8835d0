"""Generated routes obey everything that FastAPI lets stand above a route, wherever they are included."""

from collections.abc import AsyncGenerator
from typing import Annotated, Any

import anyio
import pytest
from fastapi import APIRouter, Depends, Query, Request, Response
from sqlalchemy import insert, select
from sqlalchemy.ext.asyncio import AsyncSession

from fastapi_kit.crud import CRUDRouter
from fastapi_kit.crud import _route as route_module
from fastapi_kit.db import Database, SessionDep, get_session
from fastapi_kit.testing import client
from tests.crud.inclusions import (
    GUARD,
    GUARDS,
    INCLUSIONS,
    REQUESTS,
    Build,
    Item,
    Models,
    Other,
    guard,
    items,
    make_app,
    on_include,
    on_operations,
    on_second_inclusion,
)

pytestmark = pytest.mark.anyio


@pytest.fixture
async def database() -> AsyncGenerator[Database]:
    """A database in memory, with one row."""
    database = Database("sqlite://")
    async with database.engine.begin() as connection:
        await connection.run_sync(Models.metadata.create_all)
        await connection.execute(insert(Item), {"name": "first"})
        await connection.execute(insert(Other), {"id": 1})
    yield database
    await database.dispose()


@pytest.mark.parametrize("kind", GUARDS)
@pytest.mark.parametrize("build", INCLUSIONS)
async def test_dependencies_are_never_skipped(database: Database, build: Build, kind: str) -> None:
    """Nobody passes the guard of any route without its token, from the first request on; with it everybody does."""
    app, path = build(database, GUARDS[kind])
    own = {"action", "extra"} if build is on_operations else set[str]()  # have dependencies of their own
    async with client(app) as api:
        for name, (method, rest, body) in REQUESTS.items():
            for _ in range(2):
                answer = await api.request(method, path + rest, json=body)
                assert answer.status_code == (200 if name in own else 401), name
            answer = await api.request(method, path + rest, json=body, headers={"token": "secret"})
            assert answer.is_success, (name, answer.text)


async def test_inclusions_without_dependencies_stay_open(database: Database) -> None:
    """What one inclusion guards, another does not, in whatever order they are asked."""
    app, router = make_app(database), items()
    app.include_router(router)
    app.include_router(router, prefix="/guarded", dependencies=[GUARD])
    async with client(app) as api:
        for _ in range(2):
            assert (await api.get("/guarded/items")).status_code == 401
            assert (await api.get("/items")).status_code == 200


async def test_a_late_inclusion_is_guarded(database: Database) -> None:
    """A router that is included again while the app runs brings its dependencies with it."""
    app, router = make_app(database), items()
    app.include_router(router)
    async with client(app) as api:
        assert (await api.get("/items")).status_code == 200
        app.include_router(router, prefix="/late", dependencies=[GUARD])
        assert (await api.get("/late/items")).status_code == 401
        assert (await api.get("/items")).status_code == 200


async def test_the_solver_is_passed_by(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there is nothing to solve or there are only calls to make, and only there, whatever the operation."""
    solved: list[str] = []
    generated = {name: request for name, request in REQUESTS.items() if name not in {"action", "extra"}}

    async def spy(self: Any, request: Request) -> Response:
        solved.append(request.url.path)
        answer: Response = await self.operation(request, None)
        return answer

    monkeypatch.setattr(route_module.Endpoint, "__call__", spy)
    app, router = make_app(database), items()
    app.include_router(router)
    for kind, guarded_by in GUARDS.items():
        app.include_router(router, prefix=f"/{kind}", dependencies=[guarded_by])
    headers = {"token": "secret"}
    async with client(app) as api:
        for prefix in ("", *(f"/{kind}" for kind in GUARDS)):
            for name, (method, rest, body) in generated.items():
                answer = await api.request(method, f"{prefix}/items{rest}", json=body, headers=headers)
                assert answer.is_success or (prefix and answer.status_code in {404, 409}), (name, answer.text)
    assert solved == [f"/solved/items{rest.partition('?')[0]}" for _, rest, _ in generated.values()]


async def test_routes_of_the_apps_own(database: Database) -> None:
    """What the app adds to a router is FastAPI's own, comes before the keys of rows, and is validated as ever."""
    app, router = make_app(database), items()
    calls: list[str] = []

    async def counted(request: Request) -> None:
        calls.append(request.url.path)

    @router.post("/{id}/copies", dependencies=[Depends(counted)], status_code=201)
    async def copy(id: int, session: SessionDep) -> int:  # noqa: A002 - the path's name
        return len((await session.execute(select(Item).where(Item.id == id))).all())

    app.include_router(router, dependencies=[Depends(counted)])
    del copy  # the router has it
    async with client(app) as api:
        assert (await api.get("/items/extra?number=5")).json() == 5
        assert (await api.get("/items/extra?number=x")).status_code == 422
        answer = await api.post("/items/1/copies")
        assert (answer.status_code, answer.json()) == (201, 1)
        assert (await api.get("/items/1")).json()["name"] == "first"
    assert calls == ["/items/extra", "/items/extra", "/items/1/copies", "/items/1"]


async def test_overrides_are_obeyed(database: Database) -> None:
    """A session that is put in place of the kit's is used, and no longer when the override is taken back."""
    app = make_app(database)
    app.include_router(items())
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
    app.include_router(items())
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
    app.include_router(items(), dependencies=[Depends(tenant)])
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
