"""One table of all the ways in which an app answers: each answer has every header, and every failure the one shape."""

from collections.abc import AsyncGenerator, AsyncIterator
from typing import Annotated, Any

import httpx2
import pytest
from fastapi import APIRouter, Depends, FastAPI, Response, WebSocket
from fastapi.responses import StreamingResponse
from fastapi.testclient import TestClient
from pydantic import BaseModel
from starlette.middleware import Middleware
from starlette.testclient import WebSocketDenialResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from fastapi_kit.app import create_app
from fastapi_kit.errors import ForbiddenError, ServiceUnavailableError, UnauthorizedError, UnsupportedMediaTypeError
from fastapi_kit.security import API_HEADERS
from fastapi_kit.settings import Settings
from fastapi_kit.testing import client

ORIGIN = "https://front.example"
LARGEST = 1_048_576


class Body(BaseModel):
    """A body of one number."""

    number: int


def fail() -> None:
    """Fail, as a bug does."""
    raise ZeroDivisionError("secret detail")


async def failing_dependency() -> None:
    """Fail before the endpoint."""
    fail()


async def failing_at_its_end() -> AsyncGenerator[None]:
    """Fail after the endpoint, before the answer."""
    yield
    fail()


class Guard:
    """Middleware of an app's own: fails, refuses, or lets through, by the path."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Look at the path."""
        if scope["type"] == "http" and scope["path"] == "/middleware/fails":
            fail()
        if scope["type"] == "http" and scope["path"] == "/middleware/refuses":
            raise UnauthorizedError(headers={"WWW-Authenticate": "Bearer"})
        await self.app(scope, receive, send)


def routes() -> APIRouter:  # noqa: C901 - one route for each way to answer
    """Every way to answer."""
    router = APIRouter()

    @router.post("/body")
    async def body(body: Body) -> int:
        return body.number

    @router.get("/stream")
    async def stream() -> StreamingResponse:
        async def parts() -> AsyncIterator[bytes]:
            yield b"one"
            yield b"two"

        return StreamingResponse(parts())

    @router.get("/empty", status_code=204)
    async def empty() -> None: ...

    @router.get("/forbidden")
    async def forbidden() -> None:
        raise ForbiddenError

    @router.get("/unavailable")
    async def unavailable() -> None:
        raise ServiceUnavailableError(retry_after=1)

    @router.get("/media")
    async def media() -> None:
        raise UnsupportedMediaTypeError

    @router.get("/fails")
    async def fails() -> None:
        fail()

    @router.get("/dependency", dependencies=[Depends(failing_dependency)])
    async def dependency() -> None: ...

    @router.get("/end")
    async def end(_: Annotated[None, Depends(failing_at_its_end, scope="function")]) -> None: ...

    @router.get("/cut")
    async def cut() -> Response:
        return Response(status_code=500)

    @router.websocket("/chat/{room}")
    async def chat(websocket: WebSocket, room: int) -> None:
        await websocket.close()

    return router


@pytest.fixture
def app() -> FastAPI:
    """An app with every layer that `create_app` knows."""
    settings = Settings(
        cors_origins=(ORIGIN,),
        cors_credentials=True,
        trusted_hosts=("test",),
        trusted_proxies=("10.0.0.0/8",),
        log_level="critical",
    )
    return create_app(settings, routers=[routes()], middleware=[Middleware(Guard)])


def complete(headers: httpx2.Headers) -> None:
    """Check that an answer has the headers of all layers, each once."""
    for name, value in API_HEADERS.items():
        assert headers.get_list(name) == [value], name
    assert headers.get_list("access-control-allow-origin") == [ORIGIN]
    assert headers["access-control-allow-credentials"] == "true"
    assert len(headers["x-request-id"]) == 32


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("status", "method", "path", "options"),
    [
        pytest.param(200, "GET", "/health", {}, id="200"),
        pytest.param(200, "GET", "/stream", {}, id="200 streamed"),
        pytest.param(204, "GET", "/empty", {}, id="204"),
        pytest.param(307, "GET", "/empty/", {}, id="307"),
        pytest.param(400, "GET", "/health", {"headers": {"host": "evil.example"}}, id="400 host"),
        pytest.param(401, "GET", "/middleware/refuses", {}, id="401 in middleware"),
        pytest.param(403, "GET", "/forbidden", {}, id="403"),
        pytest.param(404, "GET", "/nowhere", {}, id="404"),
        pytest.param(405, "BREW", "/health", {}, id="405"),
        pytest.param(413, "POST", "/body", {"content": b" " * (LARGEST + 1)}, id="413"),
        pytest.param(415, "GET", "/media", {}, id="415"),
        pytest.param(422, "POST", "/body", {"json": {"number": "x"}}, id="422"),
        pytest.param(500, "GET", "/fails", {}, id="500"),
        pytest.param(500, "GET", "/dependency", {}, id="500 in a dependency"),
        pytest.param(500, "GET", "/end", {}, id="500 at the end of a dependency"),
        pytest.param(500, "GET", "/middleware/fails", {}, id="500 in middleware"),
        pytest.param(503, "GET", "/unavailable", {}, id="503"),
    ],
)
async def test_every_answer_is_complete(
    app: FastAPI, status: int, method: str, path: str, options: dict[str, Any]
) -> None:
    """Security headers, CORS and the request id; failures are problems that tell nothing."""
    headers = {"origin": ORIGIN, **options.pop("headers", {})}
    async with client(app, base_url="https://test") as api:
        answer = await api.request(method, path, headers=headers, **options)
    assert answer.status_code == status
    complete(answer.headers)
    if status >= 400:
        assert answer.headers["content-type"] == "application/problem+json"
        problem = answer.json()
        assert (problem["status"], problem["request_id"]) == (status, answer.headers["x-request-id"])
        assert "secret" not in answer.text


@pytest.mark.anyio
@pytest.mark.parametrize("path", ["/body", "/middleware/none"])
async def test_a_streamed_body_is_refused_before_it_is_read(app: FastAPI, path: str) -> None:
    """A body that does not say how long it is counts as it comes in, and the rest of it is not asked for."""
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        while sent < 100 * LARGEST:
            sent += 65_536
            yield b" " * 65_536

    async with client(app, base_url="https://test") as api:
        answer = await api.post(path, content=endless(), headers={"origin": ORIGIN, "content-type": "application/json"})
    assert answer.status_code == (413 if path == "/body" else 404)
    complete(answer.headers)
    assert sent <= LARGEST + 2 * 65_536


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("limits", "size", "status"),
    [
        ({}, LARGEST, 200),
        ({}, LARGEST + 1, 413),
        ({"route": 2 * LARGEST}, 2 * LARGEST, 200),
        ({"route": 2 * LARGEST}, 2 * LARGEST + 1, 413),
        ({"route": 100}, 101, 413),
        ({"app": 100}, 101, 413),
        ({"app": None}, 3 * LARGEST, 200),
        ({"app": None, "route": 100}, 101, 413),
    ],
)
async def test_the_nearest_limit_holds(limits: dict[str, int | None], size: int, status: int) -> None:
    """That of the route, else that of the app, else 1 MiB."""
    router = APIRouter()

    @router.post("/upload", max_body_size=limits.get("route"))
    async def upload(body: Body) -> int:
        return body.number

    options: dict[str, Any] = {"max_body_size": limits["app"]} if "app" in limits else {}
    async with client(create_app(Settings(), routers=[router], **options)) as api:
        content = b'{"number": 1}'.rjust(size)
        answer = await api.post("/upload", content=content, headers={"content-type": "application/json"})
    assert answer.status_code == status


@pytest.mark.parametrize(
    ("path", "host", "status"), [("/chat/x", "test", 422), ("/chat/1", "evil.example", 400)], ids=["422", "400 host"]
)
def test_refused_websockets_are_complete(app: FastAPI, path: str, host: str, status: int) -> None:
    """A refusal before the handshake is an answer like any other, but for CORS, which websockets do not have."""
    api = TestClient(app, base_url="https://test")
    with pytest.raises(WebSocketDenialResponse) as refused, api.websocket_connect(path, headers={"host": host}):
        pass
    assert refused.value.status_code == status
    assert refused.value.headers["content-type"] == "application/problem+json"
    assert refused.value.headers["x-request-id"] == refused.value.json()["request_id"]
    assert {name: refused.value.headers[name] for name in API_HEADERS if name != "Strict-Transport-Security"} == {
        name: value for name, value in API_HEADERS.items() if name != "Strict-Transport-Security"
    }


@pytest.mark.anyio
async def test_logs_and_endpoints_see_the_client_behind_proxies(
    app: FastAPI, capsys: pytest.CaptureFixture[str]
) -> None:
    """One address for all that ask, and the scheme that the client used."""
    async with app.router.lifespan_context(app):
        transport = httpx2.ASGITransport(app=app, client=("10.0.0.7", 1), raise_app_exceptions=False)
        async with httpx2.AsyncClient(transport=transport, base_url="http://test") as api:
            told = {"x-forwarded-for": "6.6.6.6, 1.1.1.1", "x-forwarded-proto": "https"}
            assert "strict-transport-security" in (await api.get("/fails", headers=told)).headers
            assert "strict-transport-security" not in (await api.get("/health")).headers
