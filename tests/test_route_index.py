"""With the index an app answers as without it, and asks few of its routes."""

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

import anyio
import pytest
from fastapi import APIRouter, FastAPI, Request, WebSocket
from fastapi.routing import APIRoute
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry import trace
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import BaseRoute, Match, NoMatchFound, Route, Router
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from fastapi_kit._route_index import RouteIndex
from fastapi_kit._routes import allowed_methods, template
from fastapi_kit.app import index_routes
from fastapi_kit.testing import client

pytestmark = pytest.mark.anyio


class Span(trace.NonRecordingSpan):
    """A span of native telemetry that keeps its attributes."""

    def __init__(self) -> None:
        super().__init__(trace.INVALID_SPAN_CONTEXT)
        self.attributes: dict[str, Any] = {}

    def set_attribute(self, key: str, value: Any) -> None:
        """Keep it."""
        self.attributes[key] = value


class Tracer(trace.NoOpTracer):
    """The one span of each request, the last one being the current."""

    span = Span()

    def start_span(self, *_: Any, **__: Any) -> Span:
        """Begin a new one."""
        self.span = Span()
        return self.span


class TracerProvider(trace.TracerProvider):
    """Gives native telemetry that tracer."""

    def __init__(self, tracer: Tracer) -> None:
        self.tracer = tracer

    def get_tracer(self, *_: Any, **__: Any) -> Tracer:
        """The same for all."""
        return self.tracer


class Observed:
    """An app with native telemetry or without, and what a request to it leaves."""

    def __init__(self, *, traced: bool) -> None:
        self.tracer = Tracer()
        provider = TracerProvider(self.tracer)
        self.app = FastAPI(
            telemetry={
                "tracing": traced,
                "tracer_provider": provider if traced else None,
                "metrics": False,
                "operation_spans": False,
            }
        )

    async def ask(self, request: Scope) -> dict[str, Any]:
        """Send a request, and give the answer, what the router wrote into the scope, and what is known of the route."""
        sent: list[Message] = []
        scope: Scope = {**REQUEST, **request}
        raised = ""

        async def receive() -> Message:
            return {"type": "http.request" if scope["type"] == "http" else "websocket.connect"}

        async def send(message: Message) -> None:
            sent.append(message)

        try:
            await self.app(scope, receive, send)
        except Exception as error:  # noqa: BLE001 - whatever it is, it has to be the same
            raised = repr(error)
        return {
            "sent": sent,
            "raised": raised,
            "template": template(scope),
            "allowed": allowed_methods(scope),
            "telemetry": self.tracer.span.attributes.get("http.route"),
            "fastapi": {key: _same(value) for key, value in scope.get("fastapi", {}).items()},
            **{key: scope.get(key) for key in ("route", "endpoint", "path_params", "root_path", "router")},
        }

    async def compare(self, *requests: Scope) -> list[dict[str, Any]]:
        """Send each request before the routes are indexed and after it."""
        without = [await self.ask(request) for request in requests]
        index_routes(self.app)
        assert isinstance(self.app.routes[0], RouteIndex)
        for request, expected in zip(requests, without, strict=True):
            assert await self.ask(request) == expected, request
        return without


def _same(value: object) -> object:
    return id(value) if isinstance(value, BaseRoute) or hasattr(value, "original_route") else value


REQUEST: Scope = {
    "type": "http",
    "http_version": "1.1",
    "method": "GET",
    "scheme": "http",
    "server": ("test", 80),
    "query_string": b"",
    "root_path": "",
    "headers": [(b"host", b"test")],
}


def get(path: str, **more: Any) -> Scope:
    """A request to `path`."""
    return {"path": path, "raw_path": path.encode(), **more}


async def echo(request: Request) -> dict[str, str]:
    """Tell the parameters of the path."""
    return {key: str(value) for key, value in request.path_params.items()}


async def plain(request: Request) -> PlainTextResponse:
    """Do the same without FastAPI."""
    return PlainTextResponse(str(request.path_params))


async def socket(websocket: WebSocket) -> None:
    """Accept and close."""
    await websocket.accept()
    await websocket.close()


# The oracle: random apps and requests.

SEGMENTS = ("a", "a", "a", "b", "{}", "{}", "{:int}", "{:path}", "a{}", "")
Spec = tuple[Any, ...]
AnyRouter = TypeVar("AnyRouter", bound=Router)
paths = st.lists(st.sampled_from(SEGMENTS), min_size=1, max_size=2).map(lambda segments: "/" + "/".join(segments))
places = paths.map(lambda path: path.rstrip("/")).filter(bool)
prefixes = places | st.just("")
methods = st.sets(st.sampled_from(["GET", "POST"]), min_size=1).map(sorted)
routes = (
    st.tuples(st.just("api"), paths, methods)
    | st.tuples(st.just("api"), paths, methods)
    | st.tuples(st.just("starlette"), paths, methods)
    | st.tuples(st.just("websocket"), paths)
)
leaves = st.lists(routes, max_size=3)
mounts = st.tuples(st.just("mount"), places, leaves)
hosts = st.tuples(st.just("host"), leaves)
inner = st.tuples(st.just("include"), prefixes, prefixes, st.lists(routes | mounts, max_size=3))
inclusions = st.tuples(
    st.just("include"), prefixes, prefixes, st.lists(routes | mounts | hosts | inner, min_size=2, max_size=5)
)
apps = st.lists(inclusions | routes | mounts | hosts, min_size=3, max_size=7)
requests = st.builds(
    get,
    st.lists(st.sampled_from(["a", "a", "a", "b", "7", "", "a\n"]), min_size=1, max_size=3).map(
        lambda segments: "/".join(["", *segments])
    ),
    method=st.sampled_from(["GET", "POST", "HEAD"]),
    type=st.sampled_from(["http"] * 5 + ["websocket"]),
    root_path=st.sampled_from(["", "", "", "/a"]),
    headers=st.sampled_from([[(b"host", b"test")], [(b"host", b"a.test")]]),
)


class Builder:
    """Makes routes out of specs; every parameter gets a name of its own."""

    def __init__(self) -> None:
        self.names = (f"x{number}" for number in range(10_000))

    def named(self, path: str) -> str:
        """Give names to the parameters in `path`."""
        return re.sub(r"\{", lambda _: "{" + next(self.names), path)

    def fill(self, router: AnyRouter, specs: Sequence[Spec]) -> AnyRouter:
        """Add routes, mounts and inclusions in this order."""
        for kind, *rest in specs:
            getattr(self, kind)(router, *rest)
        return router

    def api(self, router: Router, path: str, methods: list[str]) -> None:
        """A route of FastAPI, or of Starlette where there can be no other."""
        if isinstance(router, APIRouter):
            router.add_api_route(self.named(path), echo, methods=methods)
        else:
            self.starlette(router, path, methods)

    def starlette(self, router: Router, path: str, methods: list[str]) -> None:
        """A route of Starlette."""
        router.add_route(self.named(path), plain, methods)

    def websocket(self, router: Router, path: str) -> None:
        """A websocket."""
        if isinstance(router, APIRouter):
            router.add_api_websocket_route(self.named(path), socket)
        else:
            router.add_websocket_route(self.named(path), socket)

    def mount(self, router: Router, path: str, specs: Sequence[Spec]) -> None:
        """Another router."""
        router.mount(self.named(path), self.fill(Router(), specs))

    def host(self, router: Router, specs: Sequence[Spec]) -> None:
        """A router for some hosts."""
        router.host("{" + next(self.names) + "}.test", self.fill(Router(), specs))

    def include(self, router: APIRouter, prefix: str, again: str, specs: Sequence[Spec]) -> None:
        """A router, included once or twice."""
        included = self.fill(APIRouter(), specs)
        router.include_router(included, prefix=self.named(prefix))
        if again != prefix:
            router.include_router(included, prefix=self.named(again), max_body_size=100)


@pytest.mark.slow
@settings(max_examples=150, deadline=None)
@given(specs=apps, asked=st.lists(requests, min_size=20, max_size=40), traced=st.booleans())
def test_the_index_changes_nothing(specs: list[Spec], asked: list[Scope], *, traced: bool) -> None:
    """Whatever is declared in whatever order, each request has the answer and the route that it has without."""
    observed = Observed(traced=traced)
    Builder().fill(observed.app.router, specs)
    anyio.run(observed.compare, *asked)


# What the oracle would seldom find.


class Anything(BaseRoute):
    """A route of its own kind."""

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Match every path that is long enough."""
        return (Match.FULL if len(scope["path"]) > 5 else Match.NONE), {"endpoint": self}

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer anything."""
        await PlainTextResponse("anything")(scope, receive, send)


class Versioned(APIRoute):
    """A route that also matches its path with a version before it."""

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Match below any version, too."""
        return super().matches({**scope, "path": scope["path"].removeprefix("/v1")})


class Shouting(APIRoute):
    """A route that ignores the case of its path."""

    def __init__(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:
        super().__init__(path, endpoint, **options)
        self.path_regex = re.compile(self.path_regex.pattern, re.IGNORECASE)


class Anywhere(APIRouter):
    """A router that matches any path under its prefix and any prefix."""

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Match every path that ends with an x."""
        return (Match.FULL if scope["path"].endswith("x") else Match.NONE), {}

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer anything."""
        await PlainTextResponse("anywhere")(scope, receive, send)


def with_parameter(app: FastAPI) -> None:
    """A parameter in the place of the literal segment."""
    app.add_api_route("/{kind}/{id}", echo)


def with_method(app: FastAPI) -> None:
    """The same path for another method."""
    app.add_api_route("/books/{id}", echo, methods=["POST", "PUT"])


def with_mount(app: FastAPI) -> None:
    """A mount over the same paths."""
    app.mount("/books", Starlette(routes=[Route("/{inner}", plain)]))


def with_host(app: FastAPI) -> None:
    """A host."""
    app.host("test", Starlette(routes=[Route("/books/{inner}", plain)]))


def with_own_kind(app: FastAPI) -> None:
    """A route that does not go by a pattern."""
    app.router.routes.append(Anything())


def with_own_matches(app: FastAPI) -> None:
    """Included routes with a way of matching of their own."""
    router = APIRouter(route_class=Versioned)
    router.add_api_route("/books/{versioned}", echo)
    app.include_router(router)


def with_own_pattern(app: FastAPI) -> None:
    """A route with a pattern of its own."""
    app.router.add_api_route("/BOOKS/{loud}", echo, route_class_override=Shouting)


def with_own_router(app: FastAPI) -> None:
    """A router with a way of matching of its own."""
    router = Anywhere()
    router.add_api_route("/films", echo)
    app.include_router(router)


def with_last_line(app: FastAPI) -> None:
    """A literal path, which its pattern matches with a newline at the end, too."""
    app.add_api_route("/books/7", plain)


def with_half_a_segment(app: FastAPI) -> None:
    """A segment that is literal in its first half."""
    app.add_api_route("/bo{rest}/{id}", echo)


def with_nothing(app: FastAPI) -> None:
    """Nothing is in the way."""


@pytest.mark.parametrize(
    "declare_first",
    [
        with_parameter,
        with_method,
        with_mount,
        with_host,
        with_own_kind,
        with_own_matches,
        with_own_pattern,
        with_own_router,
        with_last_line,
        with_half_a_segment,
        with_nothing,
    ],
)
@pytest.mark.parametrize("root", ["", "/api", "/books", "/books/7"])
@pytest.mark.parametrize("traced", [True, False])
async def test_the_first_that_was_declared_wins(
    declare_first: Callable[[FastAPI], None], root: str, *, traced: bool
) -> None:
    """What may match a path goes before a later route that names it, however it matches."""
    observed = Observed(traced=traced)
    declare_first(observed.app)
    router = APIRouter()
    router.add_api_route("/{id}", echo)
    router.add_api_route("/{id}/x", echo, methods=["DELETE"])
    observed.app.include_router(router, prefix="/books")
    observed.app.include_router(router, prefix="/v1/books")
    observed.app.add_api_route("/{kind}/{last}", echo)
    paths = [
        "/books/7",
        "/books/7\n",
        "/books/x",
        "/books/7/x",
        "/films/7",
        "/v1/books/7",
        "/v1/books",
        "/BOOKS/7",
        "/",
    ]
    asked = [
        get(path, method=method, root_path=root)
        for path in [*paths, "*", "", *(root + path for path in paths)]
        for method in ("GET", "POST", "OPTIONS")
    ]
    expected = await observed.compare(*asked)
    assert expected[0]["sent"][0]["status"] in {200, 404}


@pytest.mark.parametrize("traced", [True, False])
async def test_a_mounted_app_has_an_index_of_its_own(*, traced: bool) -> None:
    """An index inside of a mount and one around it answer the same request."""
    observed, mounted = Observed(traced=traced), FastAPI()
    mounted.add_api_route("/items/{id}", echo)
    observed.app.mount("/mounted", mounted)
    observed.app.add_api_route("/items/{id}", echo)
    index_routes(mounted)
    await observed.compare(*[get(path) for path in ("/mounted/items/1", "/items/1", "/mounted/nothing", "/mounted")])


async def answers(app: FastAPI, *paths: str) -> list[int]:
    """The statuses of GETs."""
    async with client(app) as api:
        return [(await api.get(path)).status_code for path in paths]


def answering(status: int) -> Callable[[], Any]:
    """An endpoint that is known by its status."""

    async def endpoint() -> PlainTextResponse:
        return PlainTextResponse("", status)

    return endpoint


async def test_routes_may_come_later() -> None:
    """Routes, inclusions and mounts that come when the app runs are served."""
    app, early = FastAPI(), APIRouter()
    early.add_api_route("/here", answering(200))
    app.include_router(early, prefix="/early")
    index_routes(app)
    assert await answers(app, "/early/here", "/early/late", "/late", "/late/here") == [200, 404, 404, 404]
    early.add_api_route("/late", answering(201))
    app.add_api_route("/late", answering(202))
    app.include_router(early, prefix="/late")
    app.mount("/mounted", Starlette(routes=[Route("/here", plain)]))
    assert await answers(app, "/early/here", "/early/late", "/late", "/late/here") == [200, 201, 202, 200]
    assert await answers(app, "/mounted/here") == [200]


async def test_the_order_holds_for_what_comes_later() -> None:
    """A route that is added to an earlier router, however deep, precedes the later ones."""
    app, outer, inner = FastAPI(), APIRouter(), APIRouter()
    inner.add_api_route("/other", answering(200))
    outer.include_router(inner)
    app.include_router(outer)
    app.add_api_route("/books/1", answering(200))
    index_routes(app)
    assert await answers(app, "/books/1") == [200]
    inner.add_api_route("/{kind}/{id}", answering(203))
    assert await answers(app, "/books/1") == [203]


async def test_an_empty_router_may_be_filled_later() -> None:
    """A router that was included before it had routes is at its place."""
    app, empty = FastAPI(), APIRouter()
    app.include_router(empty)
    app.add_api_route("/books", answering(200))
    index_routes(app)
    assert await answers(app, "/books") == [200]
    empty.add_api_route("/books", answering(203))
    assert await answers(app, "/books") == [203]


async def test_routes_may_be_replaced_and_taken_away() -> None:
    """What is no longer in the app's routes is not served, also if as many routes are left."""
    app = FastAPI()
    app.add_api_route("/books", answering(200))
    app.add_api_route("/films", answering(200))
    index_routes(app)
    assert await answers(app, "/books", "/films") == [200, 200]
    app.router.routes.insert(1, APIRoute("/books", answering(203)))
    del app.router.routes[-1]
    assert await answers(app, "/books", "/films") == [203, 404]


async def test_indexing_twice_is_indexing_once() -> None:
    """An app that is started again has one index."""
    app = FastAPI()
    app.add_api_route("/books", answering(200))
    index_routes(app)
    index_routes(app)
    assert sum(isinstance(route, RouteIndex) for route in app.routes) == 1


async def test_an_inclusion_that_hides_its_router_may_match_anything(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a look at the router no route can be added unseen, so the inclusion is asked about every path."""

    def none_below(_: Sequence[BaseRoute]) -> Iterator[APIRouter]:
        return iter(())

    monkeypatch.setattr("fastapi_kit._route_index.routers_below", none_below)
    app, early = FastAPI(), APIRouter()
    early.add_api_route("/other", answering(200))
    app.include_router(early)
    app.add_api_route("/books", answering(200))
    index_routes(app)
    early.add_api_route("/books", answering(203))
    assert await answers(app, "/books", "/other") == [203, 200]


class Nosy:
    """A middleware that looks for the route in `app.routes`, before and after the request, as instrumentation does."""

    seen: tuple[list[BaseRoute], ...] = ()

    def __init__(self, app: ASGIApp, owner: FastAPI) -> None:
        self.app = app
        self.owner = owner

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Look, pass on, look."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        before = list(self.matching(scope))
        await self.app(scope, receive, send)
        type(self).seen = before, list(self.matching(scope))

    def matching(self, scope: Scope) -> Iterator[BaseRoute]:
        """The routes that match fully."""
        return (route for route in self.owner.routes if route.matches(scope)[0] is Match.FULL)


async def test_only_the_router_sees_the_index() -> None:
    """Whoever else asks the routes of the app finds the route itself."""
    app = FastAPI()
    app.add_api_route("/books/{id}", echo, name="book")
    app.add_middleware(Nosy, owner=app)
    book = app.routes[-1]
    index_routes(app)
    assert await answers(app, "/books/1") == [200]
    assert Nosy.seen == ([book], [book])


async def test_the_index_is_not_documented_and_makes_no_urls() -> None:
    """The OpenAPI document is the same, the pages are served, and URLs are those of the routes."""
    app = FastAPI()
    app.add_api_route("/books/{id}", echo, name="book")
    document = app.openapi()
    app.openapi_schema = None
    index_routes(app)
    assert app.openapi() == document
    assert await answers(app, "/docs", "/redoc", "/openapi.json") == [200, 200, 200]
    assert app.url_path_for("book", id="1") == "/books/1"
    with pytest.raises(NoMatchFound):
        app.url_path_for("film")
