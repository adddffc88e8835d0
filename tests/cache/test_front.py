"""Answers before routing: as much as they spare, they skip nothing."""

from collections.abc import Callable
from typing import Annotated, Any

import pytest
from fastapi import APIRouter, Depends, FastAPI, Header, Request
from fastapi.routing import APIRoute
from starlette.types import ASGIApp, Receive, Scope, Send

from fastapi_kit._routes import template
from fastapi_kit.cache import Cache, CacheMiddleware, cached
from fastapi_kit.errors import UnauthorizedError, install
from fastapi_kit.testing import client

pytestmark = pytest.mark.anyio


async def guard(request: Request) -> None:
    """Refuses whoever has no token."""
    if "x-token" not in request.headers:
        raise UnauthorizedError


GUARDED = [Depends(guard)]


def routed(route_class: type[APIRoute] = APIRoute, **options: Any) -> APIRouter:
    """A router with a cached route for everybody."""
    router = APIRouter(route_class=route_class)

    @router.get("/x/{key}", **options)
    @cached(60, scope="public", tags=["x"])
    async def endpoint(key: str) -> str:
        return key

    return router


class GuardedRoute(APIRoute):
    """A route with a handler of its own."""

    def get_route_handler(self) -> Callable[[Request], Any]:
        """Guards what FastAPI does."""
        handler = super().get_route_handler()

        async def handle(request: Request) -> Any:
            await guard(request)
            return await handler(request)

        return handle


class GuardLayer:
    """A middleware that refuses, inside of the cache."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse, or go on."""
        if scope["type"] == "http":
            await guard(Request(scope))
        await self.app(scope, receive, send)


def by_route() -> FastAPI:
    """Its own dependency."""
    app = FastAPI()
    app.include_router(routed(dependencies=GUARDED))
    return app


def by_inclusion() -> FastAPI:
    """That of `include_router`."""
    app = FastAPI()
    app.include_router(routed(), dependencies=GUARDED)
    return app


def by_outer_router() -> FastAPI:
    """That of a router two floors up."""
    app, outer, middle = FastAPI(), APIRouter(dependencies=GUARDED), APIRouter()
    middle.include_router(routed())
    outer.include_router(middle)
    app.include_router(outer)
    return app


def by_app() -> FastAPI:
    """That of the app."""
    app = FastAPI(dependencies=GUARDED)
    app.include_router(routed())
    return app


def by_one_of_two_inclusions() -> FastAPI:
    """Included twice, the second time without."""
    app, router = FastAPI(), routed()
    app.include_router(router, dependencies=GUARDED)
    app.include_router(router, prefix="/open")
    return app


def by_parameter() -> FastAPI:
    """A dependency among the parameters."""
    app = FastAPI()

    @app.get("/x/{key}")
    @cached(60, scope="public")
    async def endpoint(key: str, _: Annotated[None, Depends(guard)]) -> str:
        return key

    return app


def by_route_class() -> FastAPI:
    """A handler that is not FastAPI's."""
    app = FastAPI()
    app.include_router(routed(GuardedRoute))
    return app


def by_middleware() -> FastAPI:
    """A layer inside of the cache's."""
    app = FastAPI()
    app.add_middleware(GuardLayer)
    app.include_router(routed())
    return app


def by_mount() -> FastAPI:
    """A mounted app with a layer of its own."""
    inner, app = FastAPI(), FastAPI()
    inner.include_router(routed())
    inner.add_middleware(GuardLayer)
    install(inner)
    app.mount("/", inner)
    return app


@pytest.mark.parametrize(
    "make",
    [
        by_route,
        by_inclusion,
        by_outer_router,
        by_app,
        by_one_of_two_inclusions,
        by_parameter,
        by_route_class,
        by_middleware,
        by_mount,
    ],
)
async def test_nothing_that_refuses_is_skipped(make: Callable[[], FastAPI]) -> None:
    """Whoever has no token is refused, as often as others have had the answer."""
    app = make()
    app.add_middleware(CacheMiddleware, cache=Cache())
    install(app)
    async with client(app) as http:
        for _ in range(3):
            assert (await http.get("/x/1", headers={"x-token": "t"})).status_code == 200
            assert (await http.get("/x/1")).status_code == 401


@pytest.mark.parametrize("nested", [False, True], ids=["in the app", "in a router"])
async def test_a_late_inclusion_is_not_skipped(nested: bool) -> None:
    """Also if the route was answered early elsewhere before, and others at other paths since."""
    app, outer, router = FastAPI(), APIRouter(), routed()
    app.add_middleware(CacheMiddleware, cache=Cache())
    install(app)
    app.include_router(router, prefix="/open")
    app.include_router(outer, prefix="/outer")
    async with client(app) as http:
        for key in ("1", "1", "2"):
            assert (await http.get(f"/open/x/{key}")).status_code == 200
        (outer if nested else app).include_router(router, prefix="/late", dependencies=GUARDED)
        late = "/outer/late/x/1" if nested else "/late/x/1"
        for _ in range(3):
            assert (await http.get(late, headers={"x-token": "t"})).status_code == 200
            assert (await http.get(late)).status_code == 401


async def test_what_is_spared_is_the_routing() -> None:
    """A second request does not come to the router; observers are told of the route; invalidation works as ever."""
    app, seen = FastAPI(), list[str | None]()
    cache = Cache()
    app.add_middleware(CacheMiddleware, cache=cache)
    app.include_router(routed(), prefix="/v1")

    @app.middleware("http")
    async def observe(request: Request, call_next: Any) -> Any:
        answer = await call_next(request)
        seen.append(template(request.scope))
        return answer

    asked: list[str] = []
    router_call = app.router.app

    async def counted(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            asked.append(scope["path"])
        await router_call(scope, receive, send)

    app.router.middleware_stack = counted
    async with client(app) as http:
        answers = [await http.get("/v1/x/1?a=1") for _ in range(3)]
        assert [answer.json() for answer in answers] == ["1"] * 3
        assert asked == ["/v1/x/1"]
        assert seen == ["/v1/x/{key}"] * 3
        assert (await http.get("/v1/x/1?a=1", headers={"if-none-match": answers[0].headers["etag"]})).status_code == 304
        assert (await http.get("/v1/x/1?a=1", headers={"range": "bytes=0-1"})).status_code == 200
        assert (await http.get("/v1/x/1?a=1", headers={"cache-control": "no-cache"})).status_code == 200
        assert len(asked) == 3
        await cache.invalidate("x")
        assert (await http.get("/v1/x/1?a=1")).headers["cache-status"] == "fastapi-kit; fwd=miss; stored"
        assert (await http.head("/v1/x/1?a=1")).status_code == 405


async def test_a_header_is_read_each_time() -> None:
    """An endpoint that takes one is called by its route: the header may be wrong."""
    app = FastAPI()
    app.add_middleware(CacheMiddleware, cache=Cache())

    @app.get("/x")
    @cached(60, scope="public", vary=["x-size"])
    async def endpoint(x_size: Annotated[int, Header()]) -> int:
        return x_size

    async with client(app) as http:
        got = [await http.get("/x", headers={"x-size": size}) for size in ("1", "2", "1", "none")]
    assert [answer.status_code for answer in got] == [200, 200, 200, 422]
    assert [answer.json() for answer in got[:3]] == [1, 2, 1]
