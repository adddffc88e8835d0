"""Every error of an application in one shape."""

from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import pytest
from fastapi import (
    APIRouter,
    Body,
    Depends,
    FastAPI,
    Header,
    HTTPException,
    Request,
    Response,
    WebSocket,
    WebSocketException,
)
from fastapi.responses import JSONResponse, StreamingResponse
from fastapi.testclient import TestClient
from pydantic import BaseModel
from starlette.applications import Starlette
from starlette.exceptions import HTTPException as StarletteHTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route
from starlette.testclient import WebSocketDenialResponse
from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.websockets import WebSocketDisconnect

from fastapi_kit._asgi import REQUEST_ID
from fastapi_kit._clock import Clock
from fastapi_kit.errors import (
    BusinessLogicError,
    ConflictError,
    ErrorBoundaryMiddleware,
    NotFoundError,
    Problem,
    UnauthorizedError,
    ValidationProblem,
    install,
)

JSON = {"content-type": "application/json"}
SECRET = "postgresql://admin:hunter2@db/prod"


class Item(BaseModel):
    """A typed body."""

    name: str
    price: float = 1.0


class InsufficientFundsError(BusinessLogicError):
    """The reference's own example."""

    def __init__(self, balance: float, required: float) -> None:
        super().__init__(detail=f"Insufficient funds: balance {balance}, required {required}", status_code=402)


class StoppedClock:
    """A clock that stands still."""

    def now(self) -> datetime:
        """The one instant there is."""
        return datetime(2026, 11, 22, 12, tzinfo=UTC)

    def monotonic(self) -> float:
        """No time passes."""
        return 0.0


class IdMiddleware:
    """Gives every request the same id, as the request context would."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Leave the id in the scope."""
        scope[REQUEST_ID] = "request-1"
        await self.app(scope, receive, send)


def raise_error(error: Exception) -> Callable[[], Awaitable[None]]:
    """An endpoint that raises `error`."""

    async def fail() -> None:
        raise error

    return fail


async def create(item: Item) -> Item:
    """A typed body."""
    return item


async def search(limit: int, tag: Annotated[list[str] | None, Header()] = None) -> int:
    """Typed parameters."""
    return limit


def page(request: Request) -> PlainTextResponse:
    """A page of Starlette's."""
    return PlainTextResponse("page")


async def raw(body: Annotated[Any, Body()]) -> dict[str, Any]:
    """A body of any shape, read only for its failure."""
    raise ConflictError("No.", extensions={"seen": body})


RAISED: dict[str, tuple[Exception, int]] = {
    "problem": (NotFoundError("No such book."), 404),
    "starlette": (StarletteHTTPException(418, "Tea."), 418),
    "fastapi": (HTTPException(429, "Slow down.", {"Retry-After": "3"}), 429),
    "structured detail": (HTTPException(400, {"code": 7, "nan": float("nan")}), 400),
    "business": (InsufficientFundsError(1, 2), 402),
    "validation of one's own": (ValidationProblem([{"loc": ["body", "a"], "msg": "Taken", "type": "unique"}]), 422),
    "unhandled": (RuntimeError(SECRET), 500),
    "key error": (KeyError(SECRET), 500),
    "unknown status": (Problem("Odd.", status=599), 599),
}


def application(**options: Any) -> FastAPI:
    """An application that fails in every way, with its errors installed."""
    app = FastAPI()
    for name, (error, _) in RAISED.items():
        app.add_api_route("/raise/" + name.replace(" ", "-"), raise_error(error), methods=["GET", "HEAD"])
    router = APIRouter()
    router.add_api_route("/items", create, methods=["POST"])
    router.add_api_route("/items", search, methods=["GET"])
    router.add_api_route("/raw", raw, methods=["POST"])
    app.include_router(router, prefix="/api")
    limited = APIRouter(max_body_size=10)
    limited.add_api_route("/items", create, methods=["POST"])
    app.include_router(limited, prefix="/limited")
    app.router.routes.append(Mount("/mounted", routes=[Route("/page", page, methods=["GET", "PUT"])]))
    install(app, **options)
    app.add_middleware(IdMiddleware)
    app.add_middleware(CORSMiddleware, allow_origins=["https://example.org"])
    return app


@pytest.fixture(name="client")
def client_of_all_failures() -> TestClient:
    """A client that gets the 500s instead of their exceptions."""
    return TestClient(application(), raise_server_exceptions=False)


REQUESTS: dict[str, tuple[str, str, dict[str, Any], int]] = {
    **{name: ("GET", "/raise/" + name.replace(" ", "-"), {}, status) for name, (_, status) in RAISED.items()},
    "unknown path": ("GET", "/nowhere", {}, 404),
    "unknown path in a mount": ("GET", "/mounted/nowhere", {}, 404),
    "unknown method": ("DELETE", "/api/items", {}, 405),
    "unknown method in a mount": ("DELETE", "/mounted/page", {}, 405),
    "missing parameter": ("GET", "/api/items", {}, 422),
    "bad parameter": ("GET", "/api/items?limit=" + SECRET, {}, 422),
    "bad body": ("POST", "/api/items", {"json": {"price": SECRET}}, 422),
    "malformed JSON": (
        "POST",
        "/api/items",
        {"content": '{"name": ', "headers": JSON},
        422,
    ),
    "not UTF-8": (
        "POST",
        "/api/items",
        {"content": b"\xff\xfe{", "headers": JSON},
        400,
    ),
    "too deep": (
        "POST",
        "/api/items",
        {"content": "[" * 100_000, "headers": JSON},
        400,
    ),
    "NaN": ("POST", "/api/raw", {"content": "NaN", "headers": JSON}, 409),
    "surrogate": ("POST", "/api/raw", {"content": r'"\ud800"', "headers": JSON}, 409),
    "other media type": ("POST", "/api/items", {"content": SECRET, "headers": {"content-type": "text/csv"}}, 422),
    "body over the limit": ("POST", "/limited/items", {"json": {"name": "x" * 100}}, 413),
    "chunks over the limit": (
        "POST",
        "/limited/items",
        {"content": iter([b'{"name": "', b"x" * 100, b'"}']), "headers": JSON},
        413,
    ),
}


@pytest.mark.parametrize(("method", "path", "options", "status"), REQUESTS.values(), ids=REQUESTS)
def test_every_error_has_the_one_shape(
    client: TestClient, method: str, path: str, options: dict[str, Any], status: int
) -> None:
    """Status, media type, members, request id and outer headers are there; input and exception are not."""
    options = options | {"headers": {"origin": "https://example.org"} | options.get("headers", {})}
    response = client.request(method, path, **options)
    body = response.json()
    assert response.status_code == status
    assert response.headers["content-type"] == "application/problem+json"
    assert response.headers["access-control-allow-origin"] == "https://example.org"
    assert body["status"] == status
    assert {"type", "title", "detail"} <= body.keys()
    assert all(isinstance(body[name], str) for name in ("type", "title", "detail"))
    assert body["request_id"] == "request-1"
    assert SECRET not in response.text
    assert "hunter2" not in response.text
    assert "instance" not in body


def test_unhandled_exception_is_answered_and_still_raised() -> None:
    """The server and tests see the exception that the client must not see."""
    with pytest.raises(RuntimeError, match="postgresql"):
        TestClient(application()).get("/raise/unhandled")


def test_body_of_a_failed_validation(client: TestClient) -> None:
    """Errors are named by place, message and type, and counted."""
    assert client.post("/api/items", json={"price": "dear"}).json() == {
        "type": "about:blank",
        "title": "Unprocessable Content",
        "status": 422,
        "detail": "The request does not have the declared shape.",
        "request_id": "request-1",
        "errors": [
            {"loc": ["body", "name"], "msg": "Field required", "type": "missing"},
            {
                "loc": ["body", "price"],
                "msg": "Input should be a valid number, unable to parse string as a number",
                "type": "float_parsing",
            },
        ],
        "errors_total": 2,
    }


def test_validation_of_ones_own_has_the_body_of_fastapis(client: TestClient) -> None:
    """What an endpoint finds wrong is told exactly like what FastAPI finds."""
    own = client.get("/raise/validation-of-one's-own").json()
    theirs = client.get("/api/items").json()
    assert own.keys() == theirs.keys()
    assert {name: own[name] for name in ("type", "title", "status", "detail")} == {
        name: theirs[name] for name in ("type", "title", "status", "detail")
    }
    assert own["errors"] == [{"loc": ["body", "a"], "msg": "Taken", "type": "unique"}]


def test_hostile_list_is_answered_briefly() -> None:
    """Ten thousand errors make a short body that says how many there were."""
    app = FastAPI()
    app.add_api_route("/lists", batch, methods=["POST"])
    install(app, max_errors=5)
    response = TestClient(app).post("/lists", json=["x" * 20] * 10_000)
    assert len(response.json()["errors"]) == 5
    assert response.json()["errors_total"] == 10_000
    assert len(response.content) < 2_000


async def batch(values: list[int]) -> int:
    """A list of numbers."""
    return len(values)


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("PATCH", "/api/items", "GET, POST"),
        ("DELETE", "/mounted/page", "GET, HEAD, PUT"),
        ("POST", "/raise/problem", "GET, HEAD"),
    ],
)
def test_refused_method_names_all_allowed_ones(client: TestClient, method: str, path: str, allow: str) -> None:
    """`Allow` is complete, where the framework names the methods of one route."""
    assert client.request(method, path).headers["allow"] == allow


def test_refused_method_keeps_what_the_endpoint_allows(tmp_path: Path) -> None:
    """Methods that only the raiser knows are added; static files, which name none, allow reading."""
    app = FastAPI()
    app.add_api_route("/switch", raise_error(HTTPException(405, headers={"allow": "PURGE"})))
    (tmp_path / "index.html").write_text("home")
    app.frontend("/", directory=tmp_path)
    install(app)
    client = TestClient(app)
    assert client.get("/switch").headers["allow"] == "GET, PURGE"
    assert client.post("/index.html").headers["allow"] == "GET, HEAD"


def test_headers_of_an_exception_go_along() -> None:
    """A challenge reaches the client; headers that describe another body do not."""
    app = FastAPI()
    headers = {"WWW-Authenticate": "Bearer", "Content-Length": "3", "content-type": "text/html"}
    app.add_api_route("/", raise_error(UnauthorizedError("Who are you?", headers=headers)))
    install(app)
    response = TestClient(app).get("/")
    assert response.headers["www-authenticate"] == "Bearer"
    assert response.json()["detail"] == "Who are you?"
    assert response.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("status", [204, 304])
def test_status_without_a_body_has_none(status: int) -> None:
    """What HTTP sends without a body is sent without one."""
    app = FastAPI()
    app.add_api_route("/", raise_error(HTTPException(status, headers={"ETag": '"1"'})))
    install(app)
    response = TestClient(app).get("/")
    assert (response.status_code, response.content, response.headers["etag"]) == (status, b"", '"1"')
    assert "content-type" not in response.headers


def test_head_has_the_headers_without_the_body(client: TestClient) -> None:
    """A HEAD request learns the length of the problem it would get."""
    response = client.head("/raise/problem")
    assert (response.status_code, response.content) == (404, b"")
    assert int(response.headers["content-length"]) == len(client.get("/raise/problem").content)


def test_redirects_are_not_touched(client: TestClient) -> None:
    """A missing slash still leads to the route that has one."""
    response = client.get("/api/items/?limit=3", follow_redirects=False)
    assert response.status_code == 307
    assert response.headers["location"].endswith("/api/items?limit=3")


def test_legacy_bodies_are_the_references() -> None:
    """`render="legacy"` answers with `error`, `detail`, `timestamp` and nothing else."""
    clock: Clock = StoppedClock()
    client = TestClient(application(render="legacy", clock=clock), raise_server_exceptions=False)
    now = "2026-11-22T12:00:00+00:00"
    response = client.get("/raise/business")
    assert (response.status_code, response.headers["content-type"]) == (402, "application/json")
    assert response.json() == {
        "error": "InsufficientFundsError",
        "detail": "Insufficient funds: balance 1, required 2",
        "timestamp": now,
    }
    unhandled = {
        "error": "InternalServerError",
        "detail": "The server could not answer this request.",
        "timestamp": now,
    }
    assert client.get("/raise/unhandled").json() == unhandled
    assert client.get("/raise/fastapi").json() == {"error": "HTTPException", "detail": "Slow down.", "timestamp": now}
    invalid = client.get("/api/items").json()
    assert invalid == {
        "error": "ValidationError",
        "detail": [{"loc": ["query", "limit"], "msg": "Field required", "type": "missing"}],
        "timestamp": now,
        "errors_total": 1,
    }


def test_mounted_application_has_errors_of_its_own() -> None:
    """A mounted application is asked for its errors; installed there, they have the shape and all methods."""
    inner = FastAPI()
    inner.add_api_route("/items", search)
    inner.add_api_route("/items", create, methods=["POST"])
    install(inner)
    app = FastAPI()
    app.mount("/inner/{tenant}", inner)
    app.mount("/plain", Starlette())
    install(app)
    client = TestClient(app)
    response = client.delete("/inner/acme/items")
    assert (response.json()["status"], response.headers["allow"]) == (405, "GET, POST")
    assert client.get("/plain/x").headers["content-type"] == "text/plain; charset=utf-8"


@pytest.mark.parametrize("before", [True, False], ids=["added before install", "added after install"])
@pytest.mark.parametrize("kind", ["function", "pure"])
def test_exception_of_a_middleware_has_its_status(before: bool, kind: str) -> None:
    """An HTTPException in a middleware is its problem, not a 500; inside the boundary it ends there."""
    app = FastAPI()
    app.add_api_route("/", raise_error(NotFoundError()))

    async def refuse(request: Request, call_next: Any) -> Response:
        raise UnauthorizedError("Middleware says no.", headers={"WWW-Authenticate": "Basic"})

    class Refuse:
        def __init__(self, app: ASGIApp) -> None:
            self.app = app

        async def __call__(self, *_: object) -> None:
            raise UnauthorizedError("Middleware says no.", headers={"WWW-Authenticate": "Basic"})

    def add() -> None:
        if kind == "function":
            app.middleware("http")(refuse)
        else:
            app.add_middleware(Refuse)

    if before:
        add()
    install(app)
    if not before:
        add()
    app.add_middleware(CORSMiddleware, allow_origins=["*"])
    client = TestClient(app, raise_server_exceptions=before)
    response = client.get("/", headers={"origin": "https://example.org"})
    assert (response.status_code, response.json()["detail"]) == (401, "Middleware says no.")
    assert response.headers["www-authenticate"] == "Basic"
    assert ("access-control-allow-origin" in response.headers) is before


def test_boundary_can_be_added_around_later_middleware() -> None:
    """A boundary of one's own answers for what it was put around."""
    app = FastAPI()
    install(app)

    async def fail(request: Request, call_next: Any) -> Response:
        raise ConflictError

    app.middleware("http")(fail)
    app.add_middleware(ErrorBoundaryMiddleware)
    assert TestClient(app).get("/").json()["title"] == "Conflict"


@pytest.mark.parametrize("content", ["length", "chunks"])
@pytest.mark.parametrize("middleware", [True, False], ids=["with a function middleware", "without middleware"])
def test_limit_of_the_whole_application_has_the_shape(content: str, middleware: bool) -> None:
    """`FastAPI(max_body_size=)` still holds, and its 413 is a problem with the headers of outer layers."""
    app = FastAPI(max_body_size=10)
    app.add_api_route("/items", create, methods=["POST"])
    if middleware:

        async def pass_on(request: Request, call_next: Any) -> Response:
            await request.body()
            answer: Response = await call_next(request)
            return answer

        app.middleware("http")(pass_on)
    install(app)
    app.add_middleware(CORSMiddleware, allow_origins=["*"])
    client = TestClient(app)
    body: Any = b'{"name": "' + b"x" * 100 + b'"}'
    response = client.post(
        "/items",
        content=body if content == "length" else iter([body[:20], body[20:]]),
        headers={"origin": "https://example.org"} | JSON,
    )
    assert (response.status_code, response.json()["title"]) == (413, "Content Too Large")
    assert response.headers["access-control-allow-origin"] == "*"
    assert client.post("/items", content=b"{}", headers=JSON).status_code == 422


def test_started_response_is_not_completed() -> None:
    """A stream that fails is cut: its exception is raised and nothing is added to it."""
    app = FastAPI()

    async def stream() -> StreamingResponse:
        async def chunks() -> AsyncIterator[bytes]:
            yield b"first"
            raise NotFoundError("Too late.")

        return StreamingResponse(chunks())

    app.add_api_route("/", stream)
    install(app)
    with pytest.raises(RuntimeError, match="response already started"):
        TestClient(app).get("/")


def test_dependency_that_fails_after_the_endpoint_is_answered() -> None:
    """An exception on the way out of a dependency, before the response, is a 500 in the shape."""
    app = FastAPI()

    async def session() -> AsyncIterator[None]:
        yield
        raise RuntimeError(SECRET)

    async def read() -> str:
        return "never sent"

    app.add_api_route("/", read, dependencies=[Depends(session, scope="function")])
    install(app)
    response = TestClient(app, raise_server_exceptions=False).get("/")
    assert (response.status_code, response.json()["status"]) == (500, 500)
    assert SECRET not in response.text


def test_handler_added_afterwards_takes_precedence() -> None:
    """An application can still answer an exception itself."""
    app = FastAPI()
    app.add_api_route("/", raise_error(InsufficientFundsError(1, 2)))
    install(app)

    async def own(request: Request, exc: Exception) -> Response:
        return JSONResponse({"own": True}, 402)

    app.add_exception_handler(InsufficientFundsError, own)
    assert TestClient(app).get("/").json() == {"own": True}


async def chat(websocket: WebSocket, room: int) -> None:
    """Fails before or after the handshake, as asked."""
    if room == 1:
        raise NotFoundError("No such room.")
    await websocket.accept()
    if room == 2:
        raise NotFoundError("Room is gone.")
    if room == 3:
        raise Problem("Broken.")
    if room == 4:
        raise WebSocketException(4000)
    await websocket.close()
    raise NotFoundError("Nobody is listening.")


def sockets() -> TestClient:
    """A client of a websocket that fails."""
    app = FastAPI()
    app.add_api_websocket_route("/rooms/{room}", chat)
    install(app)
    return TestClient(app)


@pytest.mark.parametrize(("room", "status"), [(SECRET.replace("/", "-"), 422), ("1", 404)], ids=["invalid", "problem"])
def test_refused_websocket_gets_the_problem(room: str, status: int) -> None:
    """Before the handshake the answer is HTTP, in the one shape."""
    with pytest.raises(WebSocketDenialResponse) as caught, sockets().websocket_connect(f"/rooms/{room}"):
        pass
    assert (caught.value.status_code, caught.value.json()["status"]) == (status, status)
    assert "hunter2" not in caught.value.text


@pytest.mark.parametrize(("room", "code"), [(2, 1008), (3, 1011), (4, 4000), (5, 1000)])
def test_accepted_websocket_is_closed_with_a_code(room: int, code: int) -> None:
    """After the handshake a code tells whose fault it was; a code of one's own stays, a closed socket is left alone."""
    with sockets().websocket_connect(f"/rooms/{room}") as websocket, pytest.raises(WebSocketDisconnect) as caught:
        websocket.receive_text()
    assert caught.value.code == code


def test_websocket_is_closed_where_the_server_cannot_answer() -> None:
    """A server without the denial extension is asked to close, with the code for a broken rule."""

    class Without:
        def __init__(self, app: ASGIApp) -> None:
            self.app = app

        async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
            await self.app({**scope, "extensions": {}}, receive, send)

    app = FastAPI()
    app.add_api_websocket_route("/rooms/{room}", chat)
    install(app)
    app.add_middleware(Without)
    with pytest.raises(WebSocketDisconnect) as caught, TestClient(app).websocket_connect("/rooms/x"):
        pass
    assert caught.value.code == 1008


@pytest.mark.parametrize(
    ("options", "message"),
    [({"render": "xml"}, "choose"), ({"max_errors": 0}, "at least one")],
)
def test_impossible_options_are_refused(options: dict[str, Any], message: str) -> None:
    """A mistake in the options is told at once, with the cure."""
    with pytest.raises(ValueError, match=message):
        install(FastAPI(), **options)


def test_install_is_called_once_and_in_time() -> None:
    """A second call, or one after the first request, is refused with the cure."""
    app = FastAPI()
    install(app)
    with pytest.raises(RuntimeError, match="once per application"):
        install(app)
    late = FastAPI()
    TestClient(late).get("/")
    with pytest.raises(RuntimeError, match="where the application is made"):
        install(late)
