"""Calling an ASGI app in this process: what a server would hand it, and nothing else on the clock.

An HTTP client costs several times what the app does, so none is used. A `Call` is prepared before the clock starts;
`InProcess.send` copies its scope (frameworks write into it), feeds the body and collects the answer.
"""

from collections.abc import AsyncGenerator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote
from zlib import crc32

from starlette.types import ASGIApp, Message, Scope

from fastapi_kit.testing._lifespan import started

_HEADERS = ((b"host", b"bench.test"), (b"user-agent", b"bench/1"), (b"accept", b"*/*"))


@dataclass(slots=True)
class Answer:
    """What came back: the status and the whole body."""

    status: int = 0
    body: bytes = b""


@dataclass(slots=True)
class Drained:
    """What is known of a body that was thrown away as it came."""

    status: int = 0
    size: int = 0
    checksum: int = 0
    """CRC-32: quick to compute, and good enough to tell bodies apart that are not equal by accident."""


@dataclass(frozen=True, slots=True)
class Call:
    """One request, ready to be sent any number of times.

    Args:
        method: The HTTP method.
        target: Path and query string, percent-encoded.
        body: The body; one that is not empty is sent as JSON.
        headers: Headers besides those that every request has.
    """

    method: str
    target: str
    body: bytes = b""
    headers: tuple[tuple[bytes, bytes], ...] = ()
    scope: Scope = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        path, _, query = self.target.partition("?")
        headers = [*_HEADERS, *self.headers]
        if self.body:
            headers += [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(self.body))]
        scope = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.4"},
            "http_version": "1.1",
            "server": ("127.0.0.1", 8000),
            "client": ("127.0.0.1", 50000),
            "scheme": "http",
            "root_path": "",
            "method": self.method,
            "path": unquote(path),
            "raw_path": path.encode(),
            "query_string": query.encode(),
            "headers": headers,
        }
        object.__setattr__(self, "scope", scope)


class InProcess:
    """A running app that answers calls; made by `running`."""

    def __init__(self, app: ASGIApp, state: dict[str, Any]) -> None:
        self._app = app
        self._state = state

    async def send(self, call: Call) -> Answer:
        """Send `call` and wait for the whole answer; what the app raises is raised here."""
        answer = Answer()

        def take(message: Message) -> None:
            if message["type"] == "http.response.start":
                answer.status = message["status"]
            elif message["type"] == "http.response.body":
                answer.body += message.get("body", b"")

        await self._exchange(call, take)
        return answer

    async def drain(self, call: Call) -> Drained:
        """The same for an answer that is too large to be kept."""
        drained = Drained()

        def take(message: Message) -> None:
            if message["type"] == "http.response.start":
                drained.status = message["status"]
            elif message["type"] == "http.response.body":
                body = message.get("body", b"")
                drained.size += len(body)
                drained.checksum = crc32(body, drained.checksum)

        await self._exchange(call, take)
        return drained

    async def _exchange(self, call: Call, take: Callable[[Message], None]) -> None:
        request: Message = {"type": "http.request", "body": call.body, "more_body": False}
        unread = [{"type": "http.disconnect"}, request]

        async def receive() -> Message:
            return unread.pop() if len(unread) > 1 else unread[0]

        async def send(message: Message) -> None:
            take(message)

        await self._app({**call.scope, "state": self._state.copy()}, receive, send)


@asynccontextmanager
async def running(app: ASGIApp) -> AsyncGenerator[InProcess]:
    """Run the lifespan of `app` around the block, as a server does.

    Raises:
        RuntimeError: The app cannot start.
    """
    async with AsyncExitStack() as stack:
        try:
            state = await stack.enter_async_context(started(app))
        except Exception as error:
            raise RuntimeError(f"startup failed: {error!r}") from error
        yield InProcess(app, state)
