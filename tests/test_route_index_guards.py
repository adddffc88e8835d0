"""What stands above a route holds with the index in front, for hand-written and generated routes alike."""

from collections.abc import AsyncGenerator, Callable
from typing import Annotated, Any

import pytest
from fastapi import APIRouter, Body, Depends, FastAPI, Form, Header, HTTPException
from fastapi.routing import APIRoute
from sqlalchemy import String, insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from starlette.routing import Route

from fastapi_kit.app import index_routes
from fastapi_kit.crud import CRUDRouter
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
    name: Mapped[str] = mapped_column(String(300))


@pytest.fixture
async def database() -> AsyncGenerator[Database]:
    """A database in memory, with one row."""
    database = Database("sqlite://")
    async with database.engine.begin() as connection:
        await connection.run_sync(Models.metadata.create_all)
        await connection.execute(insert(Item), {"name": "first"})
    yield database
    await database.dispose()


async def guard(token: Annotated[str, Header()] = "") -> None:
    """Let nobody in without the token."""
    if token != "secret":
        raise HTTPException(401)


GUARD = [Depends(guard)]
TOKEN = {"token": "secret"}
Make = Callable[..., APIRouter]


def hand_written(*, dependencies: Any = (), **options: Any) -> APIRouter:
    """Routes as one writes them."""
    router = APIRouter(prefix="/items", dependencies=dependencies, **options)

    @router.get("/{id}")
    async def read(id: int) -> dict[str, Any]:  # noqa: A002
        return {"id": id, "name": "first"}

    @router.post("", status_code=201)
    async def create(name: Annotated[str, Body(embed=True)]) -> dict[str, Any]:
        return {"id": 2, "name": name}

    return router


def generated(*, dependencies: Any = (), **options: Any) -> APIRouter:
    """Routes of a `CRUDRouter`."""
    return CRUDRouter(Item, prefix="/items", routes={"get", "create"}, dependencies={"*": [*dependencies]}, **options)


@pytest.fixture(params=[hand_written, generated])
def make(request: pytest.FixtureRequest) -> Make:
    """Either kind of router."""
    made: Make = request.param
    return made


def make_app(database: Database, **options: Any) -> FastAPI:
    """An app with errors installed."""
    app = FastAPI(lifespan=compose(database.lifespan), **options)
    install(app)
    return app


def on_app(make: Make, app: FastAPI) -> str:
    """`FastAPI(dependencies=...)`."""
    app.router.dependencies += GUARD
    app.include_router(make())
    return "/items"


def on_router(make: Make, app: FastAPI) -> str:
    """The router has it."""
    app.include_router(make(dependencies=GUARD))
    return "/items"


def on_include(make: Make, app: FastAPI) -> str:
    """`include_router(..., dependencies=...)`."""
    app.include_router(make(), prefix="/v1", dependencies=GUARD)
    return "/v1/items"


def on_parent(make: Make, app: FastAPI) -> str:
    """The router that includes it has the dependency."""
    parent = APIRouter(prefix="/parent", dependencies=GUARD)
    parent.include_router(make())
    app.include_router(parent)
    return "/parent/items"


def on_grandparent(make: Make, app: FastAPI) -> str:
    """Two inclusions above."""
    outer, inner = APIRouter(prefix="/outer"), APIRouter(prefix="/inner")
    inner.include_router(make())
    outer.include_router(inner, dependencies=GUARD)
    app.include_router(outer)
    return "/outer/inner/items"


def on_second_inclusion(make: Make, app: FastAPI) -> str:
    """The same router is included twice, the first time for everyone."""
    router = make()
    app.include_router(router)
    app.include_router(router, prefix="/guarded", dependencies=GUARD)
    return "/guarded/items"


def on_late_inclusion(make: Make, app: FastAPI) -> str:
    """The same router is included again when the index is there."""
    router = make()
    app.include_router(router)
    index_routes(app)
    app.include_router(router, prefix="/late", dependencies=GUARD)
    return "/late/items"


def on_earlier_inclusion(make: Make, app: FastAPI) -> str:
    """The same paths are included twice, the first time with the dependency."""
    app.include_router(make(), dependencies=GUARD)
    app.include_router(make())
    return "/items"


def in_mounted_app(make: Make, app: FastAPI) -> str:
    """A mounted app has the dependency, and an index of its own."""
    inner = FastAPI(dependencies=GUARD)
    inner.include_router(make())
    index_routes(inner)
    app.mount("/mounted", inner)
    return "/mounted/items"


def in_mounted_router(make: Make, app: FastAPI) -> str:
    """A mounted router includes it with the dependency, the app without."""
    router, mounted = make(), APIRouter()
    app.include_router(router)
    mounted.include_router(router, dependencies=GUARD)
    app.mount("/mounted", mounted)
    return "/mounted/items"


@pytest.mark.parametrize(
    "place",
    [
        on_app,
        on_router,
        on_include,
        on_parent,
        on_grandparent,
        on_second_inclusion,
        on_late_inclusion,
        on_earlier_inclusion,
        in_mounted_app,
        in_mounted_router,
    ],
)
async def test_dependencies_are_never_skipped(
    database: Database, make: Make, place: Callable[[Make, FastAPI], str]
) -> None:
    """Nobody passes the guard without its token, with it everybody does, and the guard can be overridden."""
    app = make_app(database)
    path = place(make, app)
    index_routes(app)
    async with client(app) as api:
        for _ in range(2):
            assert (await api.get(f"{path}/1")).status_code == 401
            assert (await api.post(path, json={"name": "x"})).status_code == 401
            assert (await api.get(f"{path}/1", headers=TOKEN)).json()["name"] == "first"
        if "mounted" not in path:
            app.dependency_overrides[guard] = lambda: None
            assert (await api.get(f"{path}/1")).status_code == 200
            app.dependency_overrides.clear()
            assert (await api.get(f"{path}/1")).status_code == 401


async def test_inclusions_without_dependencies_stay_open(database: Database, make: Make) -> None:
    """What one inclusion guards, another does not."""
    app = make_app(database)
    on_second_inclusion(make, app)
    index_routes(app)
    async with client(app) as api:
        for _ in range(2):
            assert (await api.get("/guarded/items/1")).status_code == 401
            assert (await api.get("/items/1")).status_code == 200


async def test_an_overridden_session_is_used(database: Database) -> None:
    """A session in place of the kit's is the one that a generated route works in."""
    app = make_app(database)
    app.include_router(generated())
    index_routes(app)
    used: list[AsyncSession] = []

    async def mine() -> AsyncGenerator[AsyncSession]:
        async with database.session() as session:
            used.append(session)
            yield session

    app.dependency_overrides[get_session] = mine
    async with client(app) as api:
        assert (await api.get("/items/1")).status_code == 200
    assert len(used) == 1


@pytest.mark.parametrize("where", ["app", "router", "include", "parent"])
async def test_body_limits_hold(database: Database, make: Make, where: str) -> None:
    """The limit of whatever is above a route is its limit."""
    limit = {it: 50 if it == where else None for it in ("app", "router", "include", "parent")}
    app, parent = make_app(database, max_body_size=limit["app"]), APIRouter(max_body_size=limit["parent"])
    parent.include_router(make(max_body_size=limit["router"]), max_body_size=limit["include"])
    app.include_router(parent)
    index_routes(app)
    async with client(app) as api:
        assert (await api.post("/items", json={"name": "x"})).status_code == 201
        assert (await api.post("/items", json={"name": "x" * 200})).status_code == 413


async def test_limits_of_forms_hold() -> None:
    """The limit on the fields of a form comes with the inclusion."""
    app, router = FastAPI(), APIRouter(prefix="/forms")

    @router.post("")
    async def send(a: Annotated[str, Form()], b: Annotated[str, Form()]) -> str:
        return a + b

    app.include_router(router, form_limits={"max_fields": 2})
    app.include_router(router, prefix="/tight", form_limits={"max_fields": 1})
    index_routes(app)
    async with client(app) as api:
        assert (await api.post("/forms", data={"a": "1", "b": "2"})).json() == "12"
        assert (await api.post("/tight/forms", data={"a": "1", "b": "2"})).status_code == 400


async def test_unserved_methods_are_405(database: Database, make: Make) -> None:
    """A 405 has every method of the path, wherever that is declared."""
    app = make_app(database)
    app.include_router(make())

    @app.put("/items/{id}")
    async def replace(id: int) -> None: ...  # noqa: A002

    index_routes(app)
    async with client(app) as api:
        answer = await api.delete("/items/1")
        assert answer.status_code == 405
        assert set(answer.headers["allow"].split(", ")) - {"HEAD"} == {"GET", "PUT"}
        assert (await api.put("/items/1")).status_code == 200


class Asked:
    """Counts how often routes are asked whether they match."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.count = 0
        for kind in (Route, APIRoute, APIRouter):
            monkeypatch.setattr(kind, "matches", self._counting(kind.matches))

    def _counting(self, matches: Callable[..., Any]) -> Callable[..., Any]:
        def counting(*arguments: Any) -> Any:
            self.count += 1
            return matches(*arguments)

        return counting


def many(database: Database, number: int, nest: Callable[[int], str] = lambda _: "") -> FastAPI:
    """An app of as many CRUD routers."""
    app = make_app(database)
    for index in range(number):
        app.include_router(CRUDRouter(Item, prefix=f"/items{index}"), prefix=nest(index))
    return app


@pytest.mark.parametrize("prefix", ["", "/api/v1"], ids=["at the root", "under one prefix"])
@pytest.mark.parametrize("method", ["GET", "PATCH", "DELETE"])
async def test_the_last_of_100_routers_is_found_at_once(
    database: Database, monkeypatch: pytest.MonkeyPatch, method: str, prefix: str
) -> None:
    """A request to it asks no more routes than one in an app with a single router and no index."""
    single, full = many(database, 1, lambda _: prefix), many(database, 100, lambda _: prefix)
    index_routes(full)
    async with client(single) as to_single, client(full) as to_full:
        asked = Asked(monkeypatch)
        statuses: list[int] = []
        counts: list[int] = []
        for api, path in ((to_single, f"{prefix}/items0/7"), (to_full, f"{prefix}/items99/7")):
            before = asked.count
            statuses.append((await api.request(method, path, json={"name": "x"})).status_code)
            counts.append(asked.count - before)
    assert statuses == [404, 404]
    assert 0 < counts[1] <= counts[0] <= 30
