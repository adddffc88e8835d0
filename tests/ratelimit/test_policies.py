"""Policies of the whole app: which route falls under which, and that none is for nothing."""

import re
from collections.abc import Mapping
from typing import Any

import pytest
from fastapi import APIRouter, Depends, FastAPI, WebSocket
from fastapi.testclient import TestClient
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.responses import PlainTextResponse
from starlette.routing import Mount
from starlette.testclient import WebSocketDenialResponse
from starlette.types import Receive, Scope, Send

from fastapi_kit.app import index_routes
from fastapi_kit.errors import Answers
from fastapi_kit.errors import install as install_errors
from fastapi_kit.ratelimit import MemoryStore, RateLimit, UnmatchedLimitError, install


def answer() -> str:
    """An endpoint."""
    return "hello"


async def opaque(scope: Scope, receive: Receive, send: Send) -> None:
    """An application whose routes cannot be seen."""
    await PlainTextResponse("hello")(scope, receive, send)


def library() -> FastAPI:
    """Routes in all the ways that there are: included twice, literal before a parameter, mounted, websocket."""
    app = FastAPI()
    router = APIRouter()
    router.add_api_route("/books/new", answer, methods=["GET"])
    router.add_api_route("/books/{id}", answer, methods=["GET", "PUT"])
    router.add_api_route("/books/{id}/chapters/{number}", answer, methods=["GET"])
    outer = APIRouter(prefix="/v2")
    outer.include_router(router)
    app.include_router(router)
    app.include_router(outer)
    admin = FastAPI()
    admin.add_api_route("/users/{id}", answer, methods=["GET"])
    app.mount("/admin", admin)
    app.routes.append(Mount("/opaque", app=opaque))
    app.add_api_route("/{page}", answer, methods=["GET"])

    @app.websocket("/ws/{room}")
    async def ws(websocket: WebSocket, room: str) -> None:
        await websocket.accept()
        await websocket.close()

    return app


def limited(policies: Mapping[str, RateLimit | None], app: FastAPI | None = None) -> TestClient:
    """A client of the library with these policies."""
    app = app or library()
    install(app, policies)
    install_errors(app)
    return TestClient(app)


ONCE = "1/hour"


@pytest.mark.parametrize(
    ("key", "under", "beside"),
    [
        ("/books/{id}", ["/books/1", "/books/2"], ["/books/new", "/books/1/chapters/1", "/v2/books/1", "/other"]),
        ("/books/new", ["/books/new", "/books/new"], ["/books/1", "/v2/books/new"]),
        ("/v2/books/{id}", ["/v2/books/1", "/v2/books/7"], ["/books/1", "/v2/books/new"]),
        ("GET /books/{id}/chapters/{number}", ["/books/1/chapters/1", "/books/2/chapters/2"], ["/books/1"]),
        ("/books/*", ["/books/new", "/books/1", "/books/1/chapters/2"], ["/v2/books/1", "/other"]),
        ("/admin/users/{id}", ["/admin/users/1", "/admin/users/2"], ["/admin/none", "/books/1"]),
        ("/admin/*", ["/admin/users/1", "/admin/users/2"], ["/books/1"]),
        ("/opaque/{path}", ["/opaque/x", "/opaque/y"], ["/books/1"]),
        ("/{page}", ["/about", "/contact"], ["/books/1", "/a/b"]),
        ("/*", ["/about", "/books/1"], []),
        ("*", ["/about", "/books/1", "/no/such/path"], []),
    ],
)
def test_a_policy_is_for_its_routes_and_no_others(key: str, under: list[str], beside: list[str]) -> None:
    """The first request under the policy passes and the others do not; those beside it are not counted."""
    with limited({key: RateLimit(ONCE)}) as test:
        for path in beside * 2:
            assert test.get(path).status_code in {200, 404}, path
            assert "ratelimit" not in test.get(path).headers
        found = [test.get(path).status_code for path in under]
    assert found[0] in {200, 404}
    assert found[1:] == [429] * (len(under) - 1)


def test_the_most_exact_policy_holds_alone() -> None:
    """Method and path before path, longer prefix before shorter, everything last, and none is a policy."""
    policies = {
        "PUT /books/{id}": RateLimit("10/hour", name="put"),
        "/books/{id}": RateLimit("10/hour", name="book"),
        "/books/{id}/*": RateLimit("10/hour", name="in a book"),
        "/books/*": RateLimit("10/hour", name="books"),
        "/v2/*": None,
        "*": RateLimit("10/hour", name="all"),
    }
    calls = [
        ("PUT", "/books/1", "put"),
        ("GET", "/books/1", "book"),
        ("DELETE", "/books/1", "book"),
        ("GET", "/books/1/chapters/2", "in a book"),
        ("GET", "/books/new", "books"),
        ("GET", "/v2/books/1", None),
        ("GET", "/about", "all"),
        ("GET", "/no/such/path", "all"),
    ]
    with limited(policies) as test:
        for method, path, name in calls:
            policy = test.request(method, path).headers.get("ratelimit-policy")
            assert policy == (f'"{name}";q=10;w=3600' if name else None), (method, path)


@pytest.mark.parametrize(
    ("key", "hint"),
    [
        ("/book/{id}", "did you mean '/books/{id}'"),
        ("/books/{book_id}", "'/books/{id}'"),
        ("POST /books/new", "'GET /books/new'"),
        ("/nothing/alike/*", "no route like it"),
        ("books/new", "'/books/new'"),
    ],
)
def test_a_policy_for_nothing_stops_the_start(key: str, hint: str) -> None:
    """The error names the routes that may be meant."""
    with pytest.raises(UnmatchedLimitError, match=re.escape(hint)), limited({key: RateLimit(ONCE)}):
        pass


def test_without_a_lifespan_the_first_request_finds_out() -> None:
    """A server or a test that runs no lifespan has policies all the same."""
    assert [limited({"*": RateLimit(ONCE)}).get("/about").status_code for _ in range(2)] == [200, 200]
    test = limited({"*": RateLimit(ONCE)})
    assert [test.get("/about").status_code for _ in range(2)] == [200, 429]
    with pytest.raises(UnmatchedLimitError):
        limited({"/x/y": RateLimit(ONCE)}).get("/about")


def test_under_a_root_path() -> None:
    """What a proxy or a server puts before the path is not part of templates."""
    app = library()
    install(app, {"/books/{id}": RateLimit(ONCE)})
    test = TestClient(app, root_path="/api")
    assert [test.get(path).status_code for path in ("/api/books/1", "/books/2", "/api/books/new")] == [200, 429, 200]


def test_indexed_routes() -> None:
    """An app whose routes are indexed at start-up has the same policies."""
    app = library()
    index_routes(app)
    with limited({"/v2/books/{id}": RateLimit(ONCE)}, app) as test:
        assert [test.get(f"/v2/books/{it}").status_code for it in ("new", "1", "new", "2")] == [200, 200, 200, 429]


def test_websockets() -> None:
    """A policy counts handshakes, and refuses them by a 429."""
    with limited({"/ws/{room}": RateLimit(ONCE)}) as test:
        with test.websocket_connect("/ws/1"):
            pass
        with pytest.raises(WebSocketDenialResponse) as refused, test.websocket_connect("/ws/2"):
            pass
    assert refused.value.status_code == 429
    assert refused.value.headers["ratelimit"].startswith('"1/hour";r=0')


@pytest.mark.parametrize("errors", [True, False], ids=["errors installed", "alone"])
@pytest.mark.parametrize("render", ["problem", "legacy"])
def test_refusals_have_the_one_shape(errors: bool, render: Any) -> None:
    """A policy's refusal is a problem with the fields, wherever errors are installed and where they are not."""
    app = library()
    install(app, {"*": RateLimit(ONCE)}, answers=Answers(render))
    if errors:
        install_errors(app, render=render)
    with TestClient(app) as test:
        test.get("/about")
        refused = test.get("/about")
    assert refused.status_code == 429
    assert int(refused.headers["retry-after"]) >= 3_599
    assert refused.headers["ratelimit"] == '"1/hour";r=0;t=3600'
    assert ("status" in refused.json()) == (render == "problem")


def test_a_store_counts_although_it_is_empty() -> None:
    """The one that was given is used: each of its two workers lets half of the limit pass."""
    app = library()
    install(app, {"*": RateLimit("2/hour")}, store=MemoryStore(workers=2))
    with TestClient(app) as test:
        assert [test.get("/about").status_code for _ in range(2)] == [200, 429]


def test_policies_and_dependencies_together() -> None:
    """Both count, and the answer tells of both."""
    app = FastAPI()
    app.get("/", dependencies=[Depends(RateLimit("5/hour", name="route"))])(answer)
    with limited({"*": RateLimit("9/hour", name="all")}, app) as test:
        assert test.get("/").headers["ratelimit-policy"] == '"all";q=9;w=3600, "route";q=5;w=3600'


PATHS = st.lists(st.sampled_from(["a", "b", "{x}", "{y}"]), min_size=1, max_size=3).map(lambda it: "/" + "/".join(it))
CALLS = st.lists(st.sampled_from(["a", "b", "c"]), min_size=1, max_size=3).map(lambda it: "/" + "/".join(it))


@settings(deadline=None, max_examples=50)
@given(st.lists(PATHS, min_size=1, max_size=8, unique=True), st.lists(CALLS, max_size=8))
def test_the_policy_is_that_of_the_route_that_answers(routes: list[str], paths: list[str]) -> None:
    """Whatever routes overlap in whatever order, a request is counted for the route that it gets."""
    routes = [route for route in routes if len(re.findall(r"{\w}", route)) == len(set(re.findall(r"{\w}", route)))]
    app = FastAPI()

    def endpoint(path: str) -> Any:
        async def answers() -> str:
            return path

        return answers

    for route in routes:
        app.add_api_route(route, endpoint(route))
    policies = {route: RateLimit("1000/hour", name=route) for route in routes}
    install(app, {**policies, "*": RateLimit("1000/hour", name="none")})
    with TestClient(app) as test:
        for path in paths:
            got = test.get(path)
            name = got.json() if got.status_code == 200 else "none"
            assert got.headers["ratelimit-policy"].startswith(f'"{name}";')
