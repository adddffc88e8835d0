"""An app that fails in every way, whole and served by uvicorn, and the log that it writes."""

import io
import json
import sqlite3
import threading
import time
from collections.abc import AsyncGenerator, AsyncIterator, Generator
from contextlib import asynccontextmanager, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import anyio
import httpx2
import uvicorn
from fastapi import APIRouter, BackgroundTasks, Depends, FastAPI, HTTPException, Query, Request, Response, WebSocket
from fastapi.responses import StreamingResponse
from pydantic import BaseModel
from sqlalchemy import String, text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from starlette.exceptions import WebSocketException
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware, RequestResponseEndpoint
from starlette.types import ASGIApp, Receive, Scope, Send

from fastapi_kit.app import create_app
from fastapi_kit.concurrency import AfterResponseDep
from fastapi_kit.crud import CRUDRouter
from fastapi_kit.db import Database, Pool, SessionDep
from fastapi_kit.errors import (
    Answers,
    BusinessLogicError,
    ContentTooLargeError,
    ForbiddenError,
    NotFoundError,
    ServiceUnavailableError,
    UnauthorizedError,
)
from fastapi_kit.errors._answer import Render
from fastapi_kit.logs import configure
from fastapi_kit.settings import Settings

SECRET = "hunter2"
INPUT = "Zq9sentinel7Xw"
"""What a client sends, and does not get back."""
ORIGIN = "https://shop.example"
TYPES = "https://docs.example/problems/#"


def fail(message: str = SECRET) -> None:
    """Fail as programs do."""
    raise LookupError(f"postgresql://admin:{message}@db")


class Models(DeclarativeBase):
    """A registry for these tests alone."""


class Tag(Models):
    """A row of which there is one with each name."""

    __tablename__ = "tag"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(50), unique=True)


class Order(BaseModel):
    """A typed body."""

    copies: int


class EmptyShelfError(BusinessLogicError):
    """A rule of the business."""


class Guard:
    """Middleware that raises."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Raise what the path asks for."""
        if scope.get("path") == "/guard/forbidden":
            raise ForbiddenError("Not here.")
        if scope.get("path") == "/guard/fails":
            fail()
        await self.app(scope, receive, send)


class OldGuard:
    """The kind that apps have inherited, on some paths: it would end a stream that fails as if it were complete."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self.old = BaseHTTPMiddleware(app, dispatch=self.dispatch)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Choose by the path."""
        old = scope.get("path", "").startswith("/old-guard/")
        await (self.old if old else self.app)(scope, receive, send)

    async def dispatch(self, request: Request, call_next: RequestResponseEndpoint) -> Response:
        """Raise before the endpoint, or let that raise."""
        if request.url.path == "/old-guard/fails":
            fail()
        return await call_next(request)


async def failing_dependency() -> None:
    """Fails before the endpoint."""
    fail()


async def failing_at_its_end() -> AsyncIterator[None]:
    """Fails after the endpoint and before the response."""
    yield
    fail()


async def raise_group(*errors: Exception) -> None:
    """Let tasks of a group fail, as concurrent work does."""

    async def task(error: Exception) -> None:
        await anyio.lowlevel.checkpoint()
        raise error

    async with anyio.create_task_group() as group:
        for error in errors:
            group.start_soon(task, error)


def raising() -> APIRouter:  # noqa: C901 - an endpoint for each way
    """Endpoints that raise."""
    router = APIRouter()

    @router.get("/problem")
    async def problem() -> None:
        raise NotFoundError("No such book.")

    @router.get("/unauthorized")
    async def unauthorized() -> None:
        raise UnauthorizedError(headers={"WWW-Authenticate": "Bearer"})

    @router.get("/http-exception")
    async def http_exception() -> None:
        raise HTTPException(429, "Slow down.", {"Retry-After": "3"})

    @router.get("/business")
    async def business() -> None:
        raise EmptyShelfError("Nothing left.", 402)

    @router.get("/old-guard/passes")
    @router.get("/fails")
    async def fails() -> None:
        fail()

    @router.get("/fails-in-a-thread")
    def fails_in_a_thread() -> None:
        fail()

    @router.get("/wrong-answer")
    async def wrong_answer() -> Order:
        return SECRET  # type: ignore[return-value]

    @router.get("/dependency", dependencies=[Depends(failing_dependency)])
    async def dependency() -> None: ...

    @router.get("/end")
    async def end(_: Annotated[None, Depends(failing_at_its_end, scope="function")]) -> None: ...

    @router.get("/group/{kind}")
    async def group(kind: str) -> None:
        kinds: dict[str, list[Exception]] = {
            "alike": [NotFoundError(), NotFoundError()],
            "mixed": [NotFoundError(), LookupError(SECRET)],
            "failures": [LookupError(SECRET), KeyError(SECRET)],
        }
        await raise_group(*kinds[kind])

    @router.post("/orders")
    async def order(body: Order, limit: Annotated[int, Query()] = 1) -> int:
        return body.copies * limit

    @router.get("/orders")
    async def orders() -> list[int]:
        return []

    return router


def late() -> APIRouter:
    """Endpoints whose failure comes when the answer has started, or is out."""
    router = APIRouter()

    @router.get("/background")
    async def background(tasks: BackgroundTasks) -> str:
        tasks.add_task(fail)
        return "done"

    @router.get("/after")
    async def after(tasks: AfterResponseDep) -> str:
        tasks.add_task(fail)
        return "done"

    @router.get("/stream")
    async def stream() -> StreamingResponse:
        async def parts() -> AsyncIterator[bytes]:
            yield b"one"
            fail()

        return StreamingResponse(parts())

    return router


def on_databases(path: Path, small: Database) -> APIRouter:
    """Endpoints whose database is out of reach, exhausted, or busy with others."""
    router = APIRouter()
    down = Database("postgresql://nobody:hunter2@127.0.0.1:9/none")

    @router.get("/database/down")
    async def is_down() -> None:
        await down.ping()

    @router.get("/database/exhausted")
    async def is_exhausted() -> None:
        async with small.engine.connect(), small.session() as session:
            await session.execute(text("SELECT 1"))

    @router.get("/database/locked")
    async def is_locked(session: SessionDep) -> None:
        with closing(sqlite3.connect(path, isolation_level=None, check_same_thread=False)) as writer:
            writer.execute("BEGIN IMMEDIATE")
            await session.execute(text("SELECT 1"))

    @router.get("/database/state/{state}")
    async def gives_up(state: str, request: Request) -> None:
        raised = text(f"DO $$ BEGIN RAISE 'hunter2' USING ERRCODE = '{state}'; END $$")
        database = Database(request.app.state.postgres_url)
        try:
            async with database.session() as session:
                await session.execute(raised)
        finally:
            await database.dispose()

    return router


def sockets() -> APIRouter:
    """Websockets that fail before they accept or after, by their path."""
    router = APIRouter()
    errors = {
        "problem": NotFoundError("No such room."),
        "large": ContentTooLargeError(),
        "unavailable": ServiceUnavailableError(retry_after=1),
        "own": WebSocketException(4000, "mine"),
        "failure": LookupError(SECRET),
        "group": ExceptionGroup(SECRET, [NotFoundError(), NotFoundError()]),
    }

    @router.websocket("/before/{kind}")
    async def before(websocket: WebSocket, kind: str) -> None:
        raise errors[kind]

    @router.websocket("/late/{kind}")
    async def late(websocket: WebSocket, kind: str) -> None:
        await websocket.accept()
        raise errors[kind]

    @router.websocket("/rooms/{room}")
    async def room(websocket: WebSocket, room: int) -> None:
        await websocket.accept()

    @router.websocket("/listens")
    async def listens(websocket: WebSocket) -> None:
        await websocket.accept()
        await websocket.receive_text()

    return router


def application(path: Path, render: Render) -> FastAPI:
    """The whole stack, with a guard of each kind inside."""
    settings = Settings(
        database_url=f"sqlite:///{path}",
        cors_origins=(ORIGIN,),
        trusted_hosts=("127.0.0.1",),
        drain_seconds=0,
    )
    database = Database(f"sqlite:///{path}", pool=Pool(size=2, timeout=0.3))
    small = Database("sqlite://", pool=Pool(timeout=0.2))

    @asynccontextmanager
    async def second(_app: FastAPI) -> AsyncGenerator[None]:
        yield
        await small.dispose()

    return create_app(
        settings,
        database=database,
        resources=[second],
        routers=[raising(), late(), on_databases(path, small), sockets(), CRUDRouter(Tag, prefix="/tags")],
        errors=Answers(render=render, type_base=TYPES),
        middleware=[Middleware(OldGuard), Middleware(Guard)],
    )


@dataclass(frozen=True)
class Served:
    """A server, and what it logs."""

    app: FastAPI
    render: Render
    api: httpx2.Client
    port: int
    log: io.StringIO

    def write_down(self) -> None:
        """Set up the log as in production; tests start without one."""
        configure(format="json", stream=self.log)

    def lines(self, request_id: str) -> list[dict[str, Any]]:
        """What was logged of a request."""
        lines = [json.loads(line) for line in self.log.getvalue().splitlines()]
        return [line for line in lines if line.get("request_id") == request_id]

    def log_of(self, request_id: str, tracebacks: int) -> list[dict[str, Any]]:
        """What was logged of a request that has ended, once that many tracebacks are there, or time is up."""
        deadline = time.monotonic() + 5
        lines = list[dict[str, Any]]()
        while time.monotonic() < deadline:
            lines = self.lines(request_id)
            known = sum("exception" in line for line in lines)
            if known >= tracebacks and any(line["event"] == "request" for line in lines):
                break
            time.sleep(0.01)
        self.api.get("/orders")  # the server logs what it has to before it turns to this
        return self.lines(request_id)


@contextmanager
def served(directory: Path, render: Render) -> Generator[Served]:
    """Serve the app from a thread of this process, as uvicorn does in production."""
    path = directory / "failing.db"
    app = application(path, render)
    with closing(sqlite3.connect(path)) as database:
        database.execute("CREATE TABLE tag (id INTEGER PRIMARY KEY, name VARCHAR(50) NOT NULL UNIQUE)")
        database.execute("INSERT INTO tag (name) VALUES ('taken')")
        database.commit()
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_config=None, access_log=False, lifespan="on"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    try:
        deadline = time.monotonic() + 20
        while not server.started and time.monotonic() < deadline:
            time.sleep(0.01)
        port = server.servers[0].sockets[0].getsockname()[1]
        with httpx2.Client(base_url=f"http://127.0.0.1:{port}", timeout=20) as api:
            yield Served(app, render, api, port, io.StringIO())
    finally:
        server.should_exit = True
        thread.join(20)
