"""Templates and methods of routes, however they were put into the application."""

import functools
import gc
import weakref
from pathlib import Path

import pytest
from fastapi import APIRouter, FastAPI, WebSocket
from fastapi.testclient import TestClient
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import BaseRoute, Host, Match, Mount, Route, WebSocketRoute
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Receive, Scope, Send

from fastapi_kit import _routes
from fastapi_kit._routes import allowed_methods, contexts_of, template, walk


class Spy:
    """Keeps the scopes of the requests that passed, as the layers outside the router see them."""

    def __init__(self, app: ASGIApp, scopes: list[Scope]) -> None:
        self.app = app
        self.scopes = scopes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on and keep its scope."""
        if scope["type"] != "lifespan":
            self.scopes.append(scope)
        await self.app(scope, receive, send)


class Wrapped:
    """An application whose routes cannot be seen, because it is inside a middleware."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass everything on."""
        await self.app(scope, receive, send)


def endpoint(request: Request) -> PlainTextResponse:
    """Answer anything."""
    return PlainTextResponse("ok")


async def socket(websocket: WebSocket) -> None:
    """Accept and close."""
    await websocket.accept()
    await websocket.close()


def nothing() -> None:
    """Answer null."""


def by_key(key: str) -> str:
    """Answer what was asked for."""
    return key


def read_item(item_id: str) -> str:
    """Answer what was asked for."""
    return item_id


def change_item(item_id: str) -> str:
    """Answer what was asked for."""
    return item_id


def item_of_tenant(id: str) -> str:  # noqa: A002 - the same name as in a mount's path
    """Answer what was asked for."""
    return id


def items_router() -> APIRouter:
    """Two routes at one path, a Starlette route, a websocket and a mount, to be included."""
    router = APIRouter()
    router.add_api_route("/items/{item_id}", read_item, methods=["GET"])
    router.add_api_route("/items/{item_id}", change_item, methods=["PUT", "DELETE"])
    router.add_route("/plain/{name}", endpoint, methods=["POST"])
    router.add_api_websocket_route("/socket/{room}", socket)
    router.mount("/mounted/{volume}", Starlette(routes=[Route("/pages/{page:int}", endpoint)]))
    return router


def application(static: Path) -> tuple[FastAPI, list[Scope]]:
    """An application with a route of every kind at every depth."""
    app = FastAPI()
    scopes: list[Scope] = []
    app.add_middleware(Spy, scopes=scopes)
    app.add_api_route("/direct/{key:path}", by_key, methods=["GET", "POST"])
    items = items_router()
    app.include_router(items, prefix="/first")
    app.include_router(items, prefix="/second/{scope}")
    outer = APIRouter(prefix="/outer")
    inner = APIRouter(prefix="/inner")
    inner.include_router(items, prefix="/{depth}")
    outer.include_router(inner, prefix="/between")
    app.include_router(outer)

    tenant = FastAPI()
    tenant.add_api_route("/items/{id}", item_of_tenant, methods=["GET"])
    tenant.include_router(items, prefix="/included")
    tenant.mount("/deep/{id}", Starlette(routes=[Route("/leaf", endpoint), WebSocketRoute("/ws", socket)]))
    app.mount("/tenants/{tenant}", tenant)
    app.mount("/same", tenant)
    app.mount("/static", StaticFiles(directory=static))
    app.mount("/wrapped/{key}", Wrapped(tenant))
    app.router.routes.append(Mount("/routes", routes=[Route("/{page}", endpoint, methods=["GET", "PATCH"])]))
    app.host("{sub}.example.org", Starlette(routes=[Route("/hosted/{page}", endpoint)]))
    return app, scopes


@pytest.fixture
def routed(tmp_path: Path) -> tuple[TestClient, list[Scope]]:
    """A client of the application above, and the scopes that its requests leave."""
    (tmp_path / "file.txt").write_text("content")
    app, scopes = application(tmp_path)
    return TestClient(app), scopes


TEMPLATES = {
    "direct": ("/direct/a/b", "/direct/{key}"),
    "FastAPI's own": ("/docs", "/docs"),
    "included": ("/first/items/7", "/first/items/{item_id}"),
    "included twice": ("/second/x/items/7", "/second/{scope}/items/{item_id}"),
    "included in included": ("/outer/between/inner/3/items/7", "/outer/between/inner/{depth}/items/{item_id}"),
    "mount in included": ("/first/mounted/v1/pages/4", "/first/mounted/{volume}/pages/{page}"),
    "mounted with a parameter": ("/tenants/acme/items/7", "/tenants/{tenant}/items/{id}"),
    "mounted twice": ("/same/items/7", "/same/items/{id}"),
    "included in mounted": ("/tenants/acme/included/items/7", "/tenants/{tenant}/included/items/{item_id}"),
    "mounted in mounted": ("/tenants/acme/deep/9/leaf", "/tenants/{tenant}/deep/{id}/leaf"),
    "docs of a mounted application": ("/tenants/acme/docs", "/tenants/{tenant}/docs"),
    "static files": ("/static/file.txt", "/static/{path}"),
    "inside a middleware": ("/wrapped/k/items/7", "/wrapped/{key}/{path}"),
    "mount of routes": ("/routes/home", "/routes/{page}"),
    "no route": ("/nowhere", None),
    "no route in a mounted application": ("/tenants/acme/nowhere", None),
    "redirected to its slash": ("/first/items/7/", None),
}


@pytest.mark.parametrize(("path", "expected"), TEMPLATES.values(), ids=TEMPLATES)
def test_template_is_the_full_path_with_names(
    routed: tuple[TestClient, list[Scope]], path: str, expected: str | None
) -> None:
    """A request is known by the path its route is declared at, prefixes included, and by no value in it."""
    client, scopes = routed
    for _ in range(2):  # from the first request's index, and from the one it left
        client.get(path, follow_redirects=False)
        assert template(scopes[-1]) == expected


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/first/socket/r", "/first/socket/{room}"),
        ("/second/x/socket/r", "/second/{scope}/socket/{room}"),
        ("/tenants/acme/deep/9/ws", "/tenants/{tenant}/deep/{id}/ws"),
    ],
    ids=["included", "included twice", "mounted"],
)
def test_template_of_a_websocket(routed: tuple[TestClient, list[Scope]], path: str, expected: str) -> None:
    """Websockets have templates like requests."""
    client, scopes = routed
    with client.websocket_connect(path):
        pass
    assert template(scopes[-1]) == expected


def test_template_of_a_host_route(routed: tuple[TestClient, list[Scope]]) -> None:
    """Routes of a host are found by their path below it."""
    client, scopes = routed
    client.get("/hosted/home", headers={"host": "www.example.org"})
    assert template(scopes[-1]) == "/hosted/{page}"


def test_template_of_a_refused_method_is_the_route_that_refused(routed: tuple[TestClient, list[Scope]]) -> None:
    """A 405 is counted at the route, not among the unknown paths."""
    client, scopes = routed
    assert client.patch("/first/items/7").status_code == 405
    assert template(scopes[-1]) == "/first/items/{item_id}"


def test_template_tells_two_paths_of_one_endpoint_apart() -> None:
    """Where one function serves several paths, the path and then the method decide."""
    app = FastAPI()
    scopes: list[Scope] = []
    app.add_middleware(Spy, scopes=scopes)
    app.add_api_route("/{kind}/all", nothing, methods=["GET"])
    shared = functools.partial(endpoint)
    app.add_route("/books/{name}", shared, methods=["POST"])
    app.add_route("/{kind}/all", shared, methods=["PUT"])
    client = TestClient(app)
    client.put("/books/all")
    assert template(scopes[-1]) == "/{kind}/all"
    client.post("/books/all")
    assert template(scopes[-1]) == "/books/{name}"


def test_template_sees_late_inclusions() -> None:
    """Routes that came after the first request, new or included once more, have their templates."""
    app = FastAPI()
    scopes: list[Scope] = []
    app.add_middleware(Spy, scopes=scopes)
    app.mount("/assets", Wrapped(FastAPI()))
    router = items_router()
    app.include_router(router, prefix="/early")
    client = TestClient(app)
    client.get("/early/items/1")
    assert template(scopes[-1]) == "/early/items/{item_id}"
    app.include_router(router, prefix="/late")
    app.add_api_route("/new/{key}", by_key)
    client.get("/late/items/1")
    assert template(scopes[-1]) == "/late/items/{item_id}"
    client.get("/new/1")
    assert template(scopes[-1]) == "/new/{key}"


def test_template_inside_a_middleware_is_looked_for_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Endpoints whose routes cannot be seen have the mount's template, without a walk over all routes each time."""
    hidden = FastAPI()
    hidden.add_api_route("/items/{key}", by_key)
    app = FastAPI()
    scopes: list[Scope] = []
    app.add_middleware(Spy, scopes=scopes)
    app.mount("/hidden", Wrapped(hidden))
    client = TestClient(app)
    client.get("/hidden/items/7")
    assert template(scopes[-1]) == "/hidden/{path}"
    monkeypatch.setattr(_routes, "walk", None)
    client.get("/hidden/items/8")
    assert template(scopes[-1]) == "/hidden/{path}"


class Anywhere(BaseRoute):
    """A route of its own kind, without a pattern."""

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Match every request."""
        return Match.FULL, {"endpoint": self, "path_params": scope.get("path_params", {})}

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer anything."""
        await PlainTextResponse("ok")(scope, receive, send)


def test_template_of_a_route_without_a_pattern_is_unknown() -> None:
    """Of routes that are neither FastAPI's nor Starlette's nothing is known, and nothing is guessed."""
    app = Starlette(routes=[Anywhere()])
    scopes: list[Scope] = []
    app.add_middleware(Spy, scopes=scopes)
    assert TestClient(app).get("/anything").text == "ok"
    assert template(scopes[-1]) is None
    assert allowed_methods(scopes[-1]) == set()


@pytest.mark.parametrize("path", ["/api/items/7", "/items/7"], ids=["kept by the proxy", "stripped by the proxy"])
def test_template_leaves_out_the_root_path(path: str) -> None:
    """The prefix under which a proxy serves the application is no part of its templates."""
    app = FastAPI()
    scopes: list[Scope] = []
    app.add_middleware(Spy, scopes=scopes)
    app.add_api_route("/items/{key}", by_key)
    assert TestClient(app, root_path="/api").get(path).status_code == 200
    assert template(scopes[-1]) == "/items/{key}"


def test_template_before_routing_is_none() -> None:
    """A request that did not reach the router matched nothing."""
    assert template({"type": "http", "path": "/", "app": FastAPI()}) is None


def test_index_does_not_keep_an_application_alive() -> None:
    """What is remembered of an application goes with it."""
    app = FastAPI()
    app.add_api_route("/items/{key}", by_key)
    scopes: list[Scope] = []
    app.add_middleware(Spy, scopes=scopes)
    TestClient(app).get("/items/7")
    assert template(scopes[-1]) == "/items/{key}"
    watch = weakref.ref(app)
    scopes.clear()
    del app
    gc.collect()
    assert watch() is None


METHODS = {
    "direct": ("/direct/a", {"GET", "POST"}),
    "two routes at one path": ("/first/items/7", {"GET", "PUT", "DELETE"}),
    "included twice": ("/second/x/items/7", {"GET", "PUT", "DELETE"}),
    "Starlette route": ("/first/plain/x", {"POST"}),
    "mounted": ("/tenants/acme/items/7", {"GET"}),
    "included in mounted": ("/same/included/items/7", {"GET", "PUT", "DELETE"}),
    "mounted in included": ("/first/mounted/v/pages/4", {"GET", "HEAD"}),
    "mount of routes": ("/routes/home", {"GET", "HEAD", "PATCH"}),
    "static files": ("/static/file.txt", {"GET", "HEAD"}),
    "websocket only": ("/first/socket/r", set[str]()),
    "no route": ("/nowhere", set[str]()),
}


@pytest.mark.parametrize(("path", "expected"), METHODS.values(), ids=METHODS)
def test_allowed_methods_are_those_of_all_routes_at_the_path(
    routed: tuple[TestClient, list[Scope]], path: str, expected: set[str]
) -> None:
    """Methods are collected over every route that matches, through inclusions and mounts."""
    client, scopes = routed
    client.request("TRACE", path)
    assert allowed_methods(scopes[-1]) == expected


def test_allowed_methods_end_at_a_mount() -> None:
    """Routes behind a mount that takes their path are never reached, so their methods are not allowed."""
    app = FastAPI()
    scopes: list[Scope] = []
    app.add_middleware(Spy, scopes=scopes)
    app.add_api_route("/area/page", nothing, methods=["PUT"])
    app.mount("/area", Starlette(routes=[Route("/page", endpoint)]))
    app.add_api_route("/area/page", nothing, methods=["DELETE"])
    TestClient(app).patch("/area/page")
    assert allowed_methods(scopes[-1]) == {"PUT", "GET", "HEAD"}


def test_allowed_methods_of_a_host() -> None:
    """The routes of a host count for requests to that host only."""
    app = Starlette(routes=[Host("api.example.org", Starlette(routes=[Route("/", endpoint)]))])
    scopes: list[Scope] = []
    app.add_middleware(Spy, scopes=scopes)
    client = TestClient(app)
    client.post("/", headers={"host": "api.example.org"})
    assert allowed_methods(scopes[-1]) == {"GET", "HEAD"}
    client.post("/", headers={"host": "example.org"})
    assert allowed_methods(scopes[-1]) == set()


def test_contexts_of_are_the_inclusions_of_one_route(tmp_path: Path) -> None:
    """A route has one context per inclusion, with the path it has there; a strange route has none."""
    app, _ = application(tmp_path)
    route = next(context.original_route for context in walk(app.routes) if context.path == "/first/items/{item_id}")
    assert [context.path for context in contexts_of(app, route)] == [
        "/first/items/{item_id}",
        "/second/{scope}/items/{item_id}",
        "/outer/between/inner/{depth}/items/{item_id}",
    ]
    assert contexts_of(app, Route("/strange", endpoint)) == []
