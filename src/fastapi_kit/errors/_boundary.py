"""The layer that no error passes unanswered.

FastAPI answers an exception that nobody handled outside all middleware, so that answer lacks CORS headers and the
request id. Inside them, the boundary sends the answer first and raises the exception again: the server, native
telemetry and tests still see it, and the layers outside find the response started and leave it alone.

Once a response has started, nothing can be said any more but that it failed: the exception is raised and the server
cuts the connection. A layer that ended the body instead would make a truncated answer look complete.
"""

from collections.abc import Awaitable, Callable

from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from starlette.websockets import WebSocket

from fastapi_kit._asgi import header
from fastapi_kit._clock import SYSTEM_CLOCK, Clock
from fastapi_kit.errors._answer import Answers, Render
from fastapi_kit.errors._refusal import refuse

_BODY_LIMIT_STATUS = 413
_BODY_LIMIT_TEXT = b"Content Too Large"


class ErrorBoundaryMiddleware:
    """Answers whatever is raised inside: problems and `HTTPException`s with their status, others with a 500.

    Exceptions that are meant for clients end here; anything else is raised again once it is answered. A websocket is
    refused with what is meant for clients, and with a 500 by the server otherwise. Starlette's
    `text/plain` 413 of a body limit inside is replaced by the one shape of errors. `install` adds it where it is
    needed; add further ones around middleware that raises, inside the layers whose headers the answers shall carry.

    Args:
        app: What is inside.
        render: As in `install`.
        max_errors: As in `install`.
        clock: As in `install`.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        render: Render = "problem",
        max_errors: int = 20,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self.app = app
        self.answers = Answers(render, max_errors, clock)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Run what is inside, and answer in its place if it raises before it answered."""
        if scope["type"] == "websocket":
            await self._guard_websocket(scope, receive, send)
            return
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def answer(exc: Exception) -> None:
            await self.answers.response(exc, scope)(scope, receive, send)

        watch = _Watch(send, answer)
        try:
            await self.app(scope, receive, watch.send)
        except (HTTPException, RequestValidationError) as exc:
            if watch.started:
                raise
            await answer(exc)
        except Exception as exc:
            if not watch.started:
                await answer(exc)
            raise

    async def _guard_websocket(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse it if what is inside raises for the client before it says anything; servers answer all else alike."""
        started = False

        async def watched(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            await self.app(scope, receive, watched)
        except HTTPException as exc:
            if started:
                raise
            await refuse(WebSocket(scope, receive, send), self.answers.response(exc, scope))


class _Watch:
    """Lets an answer through, knows whether it has started, and replaces a body limit's."""

    __slots__ = ("_answer", "_held", "_send", "started")

    def __init__(self, send: Send, answer: Callable[[Exception], Awaitable[None]]) -> None:
        self._send = send
        self._answer = answer
        self._held: Message | None = None  # the start of what may be a body limit's answer
        self.started = False

    async def send(self, message: Message) -> None:
        if not self.started:
            if self._held is None and _may_be_body_limit(message):
                self._held = message
                return
            self.started = True
            if self._held is not None:
                if message.get("body") == _BODY_LIMIT_TEXT:
                    await self._answer(HTTPException(_BODY_LIMIT_STATUS))
                    return
                await self._send(self._held)
        await self._send(message)


def _may_be_body_limit(message: Message) -> bool:
    if message.get("status") != _BODY_LIMIT_STATUS:
        return False
    return (header(message.get("headers", ()), b"content-type") or b"").startswith(b"text/plain")
