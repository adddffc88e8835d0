"""How those are refused whom no exception handler would answer: by a boundary of the room's own."""

from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket

from fastapi_kit.errors import Answers, ErrorBoundaryMiddleware

_REFUSED = "fastapi_kit.limits.refused"


async def _raise(scope: Scope, _receive: Receive, _send: Send) -> None:
    error: HTTPException = scope[_REFUSED]
    raise error


class Refusal:
    """Answers requests and websockets by an error.

    Args:
        answers: How; as `fastapi_kit.errors.install` does by default.
    """

    def __init__(self, answers: Answers | None = None) -> None:
        self._boundary = ErrorBoundaryMiddleware(_raise, answers=answers)

    async def answer(self, error: HTTPException, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the answer."""
        scope[_REFUSED] = error
        await self._boundary(scope, receive, send)


_PROBLEM = Refusal()


async def refused(connection: HTTPConnection, error: HTTPException) -> HTTPException:
    """What to raise for an error that a request meets; a websocket has been answered before.

    Where no errors are installed, nobody would, and the server would call it a fault.
    """
    if isinstance(connection, WebSocket):
        await _PROBLEM.answer(error, connection.scope, connection.receive, connection.send)
    return error
