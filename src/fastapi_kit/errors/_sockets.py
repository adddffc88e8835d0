"""How a websocket is told of an error: before the handshake as HTTP, after it by a close code.

No reason goes with the code: it would be the only text that a client gets without having asked for any, and a close
frame holds 123 bytes of it. The codes are those of RFC 6455, section 7.4.1, and of IANA's registry:

- 1008, broken policy: the client's fault, any 4xx.
- 1009, too big: 413.
- 1011, internal error: the server's fault, any 5xx.
- 1013, try again later: 503.
"""

from collections.abc import Mapping
from http import HTTPStatus

from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

_POLICY_VIOLATION = 1008
_INTERNAL_ERROR = 1011
_CODES: Mapping[int, int] = {HTTPStatus.REQUEST_ENTITY_TOO_LARGE: 1009, HTTPStatus.SERVICE_UNAVAILABLE: 1013}


def close_code(status: int) -> int:
    """The code for what HTTP has this status for."""
    broken = _POLICY_VIOLATION if status < HTTPStatus.INTERNAL_SERVER_ERROR else _INTERNAL_ERROR
    return _CODES.get(status, broken)


class Ending:
    """Knows how far a websocket has come, and ends it accordingly."""

    __slots__ = ("_receive", "_scope", "_send", "accepted", "over")

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._scope = scope
        self._receive = receive
        self._send = send
        self.accepted = False
        self.over = False

    async def receive(self) -> Message:
        """The next message from the client."""
        message = await self._receive()
        if message["type"] == "websocket.disconnect":
            self.over = True
        return message

    async def send(self, message: Message) -> None:
        """Send a message to the client."""
        kind = message["type"]
        if kind == "websocket.accept":
            self.accepted = True
        elif kind != "websocket.send":
            self.over = True  # closed, or refused by an answer
        await self._send(message)

    @property
    def can_tell(self) -> bool:
        """Whether the client can learn the status; a close before the handshake is a 403 whatever its code."""
        return self.accepted or self._can_answer

    @property
    def _can_answer(self) -> bool:
        return not self.accepted and "websocket.http.response" in self._scope.get("extensions", {})

    async def end(self, response: Response) -> None:
        """Answer in place of the handshake, where the server can; else close. Leave one that is over alone."""
        if self.over:
            return
        if self._can_answer:
            await response(self._scope, self._receive, self._send)
        else:
            await self.close(close_code(response.status_code))

    async def close(self, code: int, reason: str = "") -> None:
        """Close it, before the handshake too; leave one that is over alone."""
        if not self.over:
            await self._send({"type": "websocket.close", "code": code, "reason": reason})
