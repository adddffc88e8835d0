"""The context of a request, and its access event."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any

import pytest
import structlog
from fastapi import APIRouter, Depends, FastAPI, Request, WebSocket
from fastapi.responses import StreamingResponse
from fastapi.testclient import TestClient
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from starlette.websockets import WebSocketDisconnect
from structlog.testing import capture_logs

from fastapi_kit._asgi import REQUEST_ID
from fastapi_kit._clock import SYSTEM_CLOCK
from fastapi_kit.errors import NotFoundError, ServiceUnavailableError, install
from fastapi_kit.logs import RequestContextMiddleware

SENT_ID = "01J9Z-abc.DEF_5:x/y+z="


class Ticking:
    """A clock that is a quarter of a second later whenever it is asked."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.now = SYSTEM_CLOCK.now

    def monotonic(self) -> float:
        """A quarter later than before."""
        self.seconds += 0.25
        return self.seconds


async def bound_by_dependency() -> None:
    """A dependency that binds to the request."""
    structlog.contextvars.bind_contextvars(principal="ada")


router = APIRouter()


@router.get("/items/{item_id}")
async def read(item_id: int, request: Request) -> dict[str, Any]:
    """Answer the id in the scope."""
    structlog.get_logger().info("reading")
    return {"scope": request.scope[REQUEST_ID]}


@router.get("/sync")
def read_in_a_thread() -> dict[str, Any]:
    """Answer what is bound, in a thread."""
    return structlog.contextvars.get_contextvars()


@router.get("/bound", dependencies=[Depends(bound_by_dependency)])
async def read_bound() -> dict[str, Any]:
    """Answer what is bound, by a dependency too."""
    return structlog.contextvars.get_contextvars()


@router.get("/missing")
async def missing() -> None:
    """Refuse."""
    raise NotFoundError


@router.get("/unavailable")
async def unavailable() -> None:
    """Fail knowingly."""
    raise ServiceUnavailableError


@router.get("/broken")
async def broken() -> None:
    """Fail unknowingly."""
    raise ValueError("postgresql://user:hunter2@db")


@router.get("/health")
async def health(fine: bool = True) -> None:
    """Probe."""
    if not fine:
        raise ServiceUnavailableError


@router.get("/health/startup")
async def startup() -> None:
    """Probe a group."""


@router.get("/stream")
async def stream(fail: bool = False) -> StreamingResponse:
    """Stream, or break off."""

    async def chunks() -> AsyncIterator[bytes]:
        yield b"12345"
        if fail:
            raise RuntimeError
        yield b"67"

    return StreamingResponse(chunks(), headers={"X-Request-ID": "of the upstream"})


@router.websocket("/rooms/{room}")
async def chat(websocket: WebSocket, room: str) -> None:
    """Talk, and end as the room's name says."""
    if room == "closed":
        await websocket.close()
        return
    await websocket.accept()
    await websocket.send_text("grüezi")
    await websocket.send_bytes(b"123")
    if room == "broken":
        raise RuntimeError
    try:
        await websocket.receive_text()
    except WebSocketDisconnect:
        if room == "careless":
            raise
        return
    await websocket.close(4001)


def application(**options: Any) -> FastAPI:
    """Endpoints that end in every way, with errors installed and the context outermost."""
    app = FastAPI()
    app.include_router(router)
    install(app)
    app.add_middleware(RequestContextMiddleware, **options)
    return app


def get(path: str, *, method: str = "GET", headers: Any = None, **options: Any) -> tuple[Any, Any]:
    """The response to a request, and its one access event."""
    with capture_logs() as logs:
        client = TestClient(application(**options), raise_server_exceptions=False)
        response = client.request(method, path, headers=headers)
    (event,) = [entry for entry in logs if entry["event"] == "request"]
    return response, event


def test_event_has_the_fields_of_the_reference_and_more() -> None:
    """One event tells what was asked, by whom, and how it ended; the query is not in it."""
    response, event = get(
        "/items/7?token=hunter2", headers={"user-agent": "curl/8", "x-request-id": SENT_ID}, clock=Ticking()
    )
    assert event == {
        "event": "request",
        "log_level": "info",
        "method": "GET",
        "url": "/items/7",
        "route": "/items/{item_id}",
        "status_code": 200,
        "duration": 0.25,
        "bytes": len(response.content),
        "user_agent": "curl/8",
        "client": "testclient",
        "outcome": "ok",
    }


def test_valid_id_of_the_client_is_everywhere() -> None:
    """In the response, in the scope, and bound for every line."""
    with capture_logs([structlog.contextvars.merge_contextvars]) as logs:
        response = TestClient(application()).get("/items/7", headers={"x-request-id": SENT_ID})
    assert response.headers["x-request-id"] == SENT_ID
    assert response.json() == {"scope": SENT_ID}
    assert [(entry["event"], entry["request_id"]) for entry in logs] == [("reading", SENT_ID), ("request", SENT_ID)]


@pytest.mark.parametrize(
    "given",
    ["", " ", "a b", "a" * 129, 'a"b', "<script>", "a;b", "a\tb", "id\u00e9", "{}", "a,b"],
)
def test_invalid_id_is_replaced(given: str) -> None:
    """An id that could harm a log, a header or a page is not taken over; a new one is."""
    response, _ = get("/items/7", headers={"x-request-id": given.encode("latin-1")})
    new = response.headers["x-request-id"]
    assert new != given
    assert len(new) == 32
    assert int(new, 16) >= 0


def test_ids_are_new_for_every_request() -> None:
    """Two requests of one client have two ids."""
    client = TestClient(application())
    assert len({client.get("/items/7").headers["x-request-id"] for _ in range(5)}) == 5


def test_header_has_the_name_one_wants() -> None:
    """The name is of the request and of the response alike."""
    response, _ = get("/items/7", headers={"x-correlation-id": SENT_ID}, header="X-Correlation-ID")
    assert response.headers["x-correlation-id"] == SENT_ID
    assert "x-request-id" not in response.headers


def test_id_of_an_upstream_is_replaced_not_doubled() -> None:
    """A response has the header once, also where the endpoint passes on another one."""
    response, _ = get("/stream", headers={"x-request-id": SENT_ID})
    assert response.headers.get_list("x-request-id") == [SENT_ID]


def test_context_is_visible_in_threads_and_dependencies() -> None:
    """Sync endpoints and dependencies log under the id; what they bind is on the access event."""
    response, _ = get("/sync", headers={"x-request-id": SENT_ID})
    assert response.json() == {"request_id": SENT_ID}
    response, _ = get("/bound", headers={"x-request-id": SENT_ID})
    assert response.json() == {"request_id": SENT_ID, "principal": "ada"}
    with capture_logs([structlog.contextvars.merge_contextvars]) as logs:
        TestClient(application()).get("/bound")
    assert logs[-1]["principal"] == "ada"


@pytest.mark.parametrize(
    ("path", "level", "status", "outcome", "error"),
    [
        ("/missing", "info", 404, "ok", None),
        ("/nowhere", "info", 404, "ok", None),
        ("/unavailable", "error", 503, "error", None),
        ("/broken", "error", 500, "error", "ValueError"),
        ("/stream", "info", 200, "ok", None),
        ("/stream?fail=true", "warning", 200, "truncated", "RuntimeError"),
    ],
)
def test_outcome_tells_how_a_request_ended(path: str, level: str, status: int, outcome: str, error: str | None) -> None:
    """Refusals are fine, faults are errors, a broken stream is truncated; of an exception only the class is told."""
    _, event = get(path)
    assert (event["log_level"], event["status_code"], event["outcome"]) == (level, status, outcome)
    assert event.get("error") == error
    assert "hunter2" not in str(event)


def test_bytes_are_those_of_the_body_as_sent() -> None:
    """Streams are counted chunk by chunk; a HEAD has no body, whatever the application says."""
    assert get("/stream")[1]["bytes"] == 7
    assert get("/stream?fail=true")[1]["bytes"] == 5
    assert get("/nowhere", method="HEAD")[1]["bytes"] == 0


@pytest.mark.parametrize(
    ("path", "options", "level"),
    [
        ("/health", {}, "debug"),
        ("/health?fine=false", {}, "warning"),
        ("/health?fine=false", {"quiet": ()}, "error"),
        ("/health/startup", {}, "debug"),
        ("/health", {"quiet": ()}, "info"),
        ("/items/7", {"quiet": ["/items/{item_id}"]}, "debug"),
        ("/items/7", {"quiet": ["/items/7"]}, "debug"),
        ("/items/x", {"quiet": ["/items/{item_id}"]}, "info"),
    ],
)
def test_successful_probes_are_quiet(path: str, options: dict[str, Any], level: str) -> None:
    """A probe that succeeds is for debugging; one that says 503 is a warning and no error; a refusal is as ever."""
    assert get(path, **options)[1]["log_level"] == level


def test_one_of_two_contexts_is_enough() -> None:
    """A mounted application with a context of its own keeps the outer id and adds no event."""
    app = FastAPI()
    app.mount("/inner", application())
    app.add_middleware(RequestContextMiddleware)
    with capture_logs() as logs:
        response = TestClient(app).get("/inner/items/7", headers={"x-request-id": SENT_ID})
    assert response.json() == {"scope": SENT_ID}
    assert [entry.get("route") for entry in logs if entry["event"] == "request"] == ["/inner/items/{item_id}"]


@pytest.mark.parametrize(
    ("room", "expected"),
    [
        ("open", {"status_code": 101, "close_code": 4001, "outcome": "ok", "bytes": 10, "log_level": "info"}),
        ("closed", {"status_code": 403, "close_code": 1000, "outcome": "ok", "bytes": 0, "log_level": "info"}),
        ("broken", {"status_code": 101, "outcome": "error", "error": "RuntimeError", "log_level": "error"}),
        ("normal", {"status_code": 101, "close_code": 1000, "outcome": "ok", "log_level": "info"}),
        ("careless", {"status_code": 101, "close_code": 1000, "outcome": "ok", "error": None}),
        ("lost", {"status_code": 101, "close_code": 1006, "outcome": "disconnect", "log_level": "warning"}),
    ],
)
def test_websocket_has_one_event_when_it_has_closed(room: str, expected: dict[str, Any]) -> None:
    """A connection is told like a request, with its close code."""
    client = TestClient(application(), raise_server_exceptions=False)
    with (
        capture_logs() as logs,
        contextlib.suppress(WebSocketDisconnect, RuntimeError),
        client.websocket_connect(f"/rooms/{room}", headers={"x-request-id": SENT_ID}) as websocket,
    ):
        assert (b"x-request-id", SENT_ID.encode()) in (websocket.extra_headers or [])
        websocket.receive_text()
        websocket.receive_bytes()
        if room == "open":
            websocket.send_text("bye")
            websocket.receive_text()
        elif room != "broken":
            websocket.close(1006 if room == "lost" else 1000)
    (event,) = [entry for entry in logs if entry["event"] == "request"]
    assert (event["method"], event["route"]) == ("WEBSOCKET", "/rooms/{room}")
    assert {name: event.get(name) for name in expected} == expected


def test_refused_websocket_has_the_status_of_its_answer() -> None:
    """A denial before the handshake is told by its status, and has the id in its headers."""
    app = FastAPI()

    @app.websocket("/rooms/{room}")
    async def chat(websocket: WebSocket, room: int) -> None: ...

    install(app)
    app.add_middleware(RequestContextMiddleware)
    with capture_logs() as logs, pytest.raises(WebSocketDisconnect), TestClient(app).websocket_connect("/rooms/x"):
        pass
    assert (logs[-1]["status_code"], logs[-1]["outcome"]) == (422, "ok")


async def drive(app: ASGIApp, *, receive: Any = None, send: Any = None, **scope: Any) -> list[Message]:
    """Run one request by hand, in this task."""
    sent: list[Message] = []

    async def nothing() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def keep(message: Message) -> None:
        sent.append(message)

    full: Scope = {"type": "http", "method": "GET", "path": "/", "headers": [], "query_string": b"", **scope}
    await app(full, receive or nothing, send or keep)
    return sent


START: Message = {"type": "http.response.start", "status": 200, "headers": []}


@pytest.mark.anyio
@pytest.mark.parametrize("how", ["message", "error of sending", "cancelled", "silent"])
async def test_client_that_goes_first_is_a_disconnect(how: str) -> None:
    """Whoever ended the exchange is told: the client, or the application that stopped or was stopped."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send(START)
        if how == "message":
            await receive()
        elif how == "cancelled":
            raise asyncio.CancelledError
        elif how == "error of sending":
            await send({"type": "http.response.body", "body": b"x", "more_body": True})

    async def receive() -> Message:
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        if message["type"] == "http.response.body":
            raise OSError

    with capture_logs() as logs, contextlib.suppress(OSError, asyncio.CancelledError):
        await drive(RequestContextMiddleware(app), receive=receive, send=send)
    expected = "disconnect" if how in {"message", "error of sending"} else "truncated"
    assert (logs[0]["outcome"], logs[0]["log_level"]) == (expected, "warning")


@pytest.mark.anyio
async def test_disconnect_after_the_whole_response_is_fine() -> None:
    """Servers report a disconnect to whoever still listens; the response was complete."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send(START)
        await send({"type": "http.response.pathsend", "path": "/file"})
        await receive()

    async def receive() -> Message:
        return {"type": "http.disconnect"}

    with capture_logs() as logs:
        await drive(RequestContextMiddleware(app), receive=receive)
    assert logs[0]["outcome"] == "ok"


@pytest.mark.anyio
async def test_application_without_an_answer_is_an_error() -> None:
    """Who answers nothing has failed, also without an exception; an unknown client and agent are null."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None: ...

    with capture_logs() as logs:
        await drive(RequestContextMiddleware(app))
    assert (logs[0]["outcome"], logs[0]["status_code"]) == ("error", None)
    assert (logs[0]["client"], logs[0]["user_agent"], logs[0]["route"]) == (None, None, None)


@pytest.mark.anyio
async def test_context_ends_with_the_request() -> None:
    """What a request bound does not reach the next one in the same task; what was bound around both stays."""
    seen: list[dict[str, Any]] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(structlog.contextvars.get_contextvars())
        structlog.contextvars.bind_contextvars(principal=scope["path"])
        await send(START)
        await send({"type": "http.response.body", "body": b""})
        if scope["path"] == "/fail":
            raise RuntimeError

    structlog.contextvars.bind_contextvars(service="kit")
    layer = RequestContextMiddleware(app)
    with capture_logs():
        await drive(layer, path="/first")
        assert structlog.contextvars.get_contextvars() == {"service": "kit"}
        await drive(layer, path="/second")
        assert set(seen[1]) == {"service", "request_id"}
        with pytest.raises(RuntimeError):
            await drive(layer, path="/fail")
        # Left for the server's line about the exception, and for nobody else.
        assert structlog.contextvars.get_contextvars()["principal"] == "/fail"
        await drive(layer, path="/after")
    assert set(seen[3]) == {"request_id"}


@pytest.mark.anyio
async def test_long_texts_of_the_client_are_cut() -> None:
    """A line has a bounded length."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None: ...

    with capture_logs() as logs:
        await drive(RequestContextMiddleware(app), path="/" + "x" * 60_000, headers=[(b"user-agent", b"y" * 60_000)])
    assert (len(logs[0]["url"]), len(logs[0]["user_agent"])) == (2048, 256)


def test_lifespan_passes() -> None:
    """Start-up and shut-down reach the application."""
    seen: list[str] = []

    @contextlib.asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncGenerator[None]:
        seen.append("up")
        yield
        seen.append("down")

    app = FastAPI(lifespan=lifespan)
    app.add_middleware(RequestContextMiddleware)
    with TestClient(app):
        assert seen == ["up"]
    assert seen == ["up", "down"]
