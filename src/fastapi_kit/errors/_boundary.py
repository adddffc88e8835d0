"""The layer that no error passes unanswered.

FastAPI answers an exception that nobody handled outside all middleware, so that answer lacks CORS headers and the
request id. Inside them, the boundary sends the answer first and raises the exception again: the server, native
telemetry and tests still see it, and the layers outside find the response started and leave it alone.

Once a response has started, nothing can be said any more but that it failed: the exception is raised and the server
cuts the connection. A layer that ended the body instead would make a truncated answer look complete.

Once a response is complete, there is nothing to cut: what fails then, in a background task for one, is logged here and
ends. The server would log it just so, and close a connection that the client goes on to use.
"""

import logging
from collections.abc import Awaitable, Callable

from starlette.exceptions import HTTPException, WebSocketException
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from starlette.websockets import WebSocketDisconnect

from fastapi_kit._asgi import header
from fastapi_kit.errors._answer import Answers
from fastapi_kit.errors._sockets import Ending

logger = logging.getLogger("fastapi_kit.errors")

ANSWERED = "fastapi_kit.answered"
"""Scope key: the request has its answer, whatever is raised out of it."""

_BODY_LIMIT_STATUS = 413
_BODY_LIMIT_TEXT = b"Content Too Large"
_ENDS = frozenset({"http.response.body", "http.response.pathsend"})


class ErrorBoundaryMiddleware:
    """Answers whatever is raised inside: problems and `HTTPException`s with their status, others with a 500.

    Exceptions that are meant for clients end here; anything else is raised again once it is answered. What is raised
    after a response is complete, as by a background task, is logged and ends here, too. Of an `ExceptionGroup` the
    gravest of its exceptions is answered: a failure before a 5xx, that before a 401 and a 403, these before the others.
    A client that has left is neither answered nor a failure.

    A websocket that was not accepted gets the answer in place of its handshake, where the server can send one. Any
    other is closed: with 1008 for a 4xx, 1009 for a 413, 1013 for a 503, 1011 for any other 5xx, and without a reason.

    Starlette's `text/plain` 413 of a body limit inside is replaced by the one shape of errors. `install` adds the
    layer where it is needed; add further ones around middleware that raises, inside the layers whose headers the
    answers shall carry.

    Args:
        app: What is inside.
        answers: How exceptions are answered; by default as `install` does without arguments.
    """

    def __init__(self, app: ASGIApp, *, answers: Answers | None = None) -> None:
        self.app = app
        self.answers = answers or Answers()

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """Run what is inside, and answer in its place if it raises before it answered."""
        if scope["type"] == "http":
            return self._guard_http(scope, receive, send)
        if scope["type"] == "websocket":
            return self._guard_websocket(scope, receive, send)
        return self.app(scope, receive, send)

    async def _guard_http(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def answer(exc: Exception) -> None:
            await self.answers.response(exc, scope)(scope, receive, send)

        watch = _Watch(send, answer)
        try:
            await self.app(scope, receive, watch.send)
        except ClientDisconnect:
            return
        except Exception as exc:
            if watch.complete and ANSWERED not in scope:
                logger.exception("Failed after the response")
                return
            if watch.started:  # so has what a boundary inside has answered
                raise
            meaning = self.answers.meaning(exc)
            await self.answers.response(exc, scope, meaning)(scope, receive, send)
            if not meaning.known:
                scope[ANSWERED] = True
                raise

    async def _guard_websocket(self, scope: Scope, receive: Receive, send: Send) -> None:
        ending = Ending(scope, receive, send)
        try:
            await self.app(scope, ending.receive, ending.send)
        except WebSocketDisconnect:
            return
        except WebSocketException as exc:
            await ending.close(exc.code, exc.reason)
        except Exception as exc:
            meaning = self.answers.meaning(exc)
            if meaning.known or ending.can_tell:
                await ending.end(self.answers.response(exc, scope, meaning))
            if not meaning.known:
                raise


class _Watch:
    """Lets an answer through, knows whether it has started, and replaces a body limit's."""

    __slots__ = ("_answer", "_held", "_send", "complete", "started")

    def __init__(self, send: Send, answer: Callable[[Exception], Awaitable[None]]) -> None:
        self._send = send
        self._answer = answer
        self._held: Message | None = None  # the start of what may be a body limit's answer
        self.started = False
        self.complete = False

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
        if not message.get("more_body", False) and message["type"] in _ENDS:
            self.complete = True


def _may_be_body_limit(message: Message) -> bool:
    if message.get("status") != _BODY_LIMIT_STATUS:
        return False
    return (header(message.get("headers", ()), b"content-type") or b"").startswith(b"text/plain")
