"""What can be observed of one request from outside: the status, the bytes, and how it ended.

The theory of operation: a response is complete when its last body message was sent. A failure after the start, or
an application that just stops, leaves it truncated; a client that goes first, which shows as a disconnect message
or an error of sending, is not the application's fault and has an outcome of its own.
"""

from typing import Literal

from starlette.requests import ClientDisconnect
from starlette.types import Message, Receive, Send
from starlette.websockets import WebSocketDisconnect

Outcome = Literal["ok", "error", "disconnect", "truncated"]
"""How a request ended: `error` with a 5xx or an escaped exception, `disconnect` where the client went first,
`truncated` where the response broke off."""

Header = tuple[bytes, bytes]

_SERVER_ERRORS = 500
_SWITCHING_PROTOCOLS = 101
_FORBIDDEN = 403
_NORMAL_CLOSES = frozenset({1000, 1001, 1005})


class _Exchange:
    __slots__ = ("_header", "_receive", "_send", "size", "status")

    def __init__(self, receive: Receive, send: Send, header: Header) -> None:
        self._receive = receive
        self._send = send
        self._header = header
        self.status: int | None = None
        self.size: int = 0


class HttpExchange(_Exchange):
    """Passes the messages of one HTTP request on, adds a header to the response, and remembers what it saw."""

    __slots__ = ("complete", "disconnected")

    def __init__(self, receive: Receive, send: Send, header: Header) -> None:
        super().__init__(receive, send, header)
        self.complete = False
        self.disconnected = False

    async def receive(self) -> Message:
        """The next message from the client."""
        message = await self._receive()
        if message["type"] == "http.disconnect":
            self.disconnected = True
        return message

    async def send(self, message: Message) -> None:
        """Send a message of the response."""
        kind = message["type"]
        if kind == "http.response.start":
            self.status = message["status"]
            message = with_header(message, self._header)
        try:
            await self._send(message)
        except OSError:
            self.disconnected = True
            raise
        if kind == "http.response.body":
            self.size += len(message.get("body", b""))
            self.complete = not message.get("more_body", False)
        elif kind == "http.response.pathsend":
            self.complete = True

    def outcome(self, failure: BaseException | None) -> Outcome:
        """How the request ended, given the exception that it ended with."""
        if not self.complete and (self.disconnected or isinstance(failure, ClientDisconnect)):
            return "disconnect"
        if not self.complete and self.status is not None:
            return "truncated"
        if failure is not None or self.status is None or self.status >= _SERVER_ERRORS:
            return "error"
        return "ok"


class WebSocketExchange(_Exchange):
    """Passes the messages of one websocket on, adds a header to the handshake, and remembers what it saw."""

    __slots__ = ("client_left", "close_code")

    def __init__(self, receive: Receive, send: Send, header: Header) -> None:
        super().__init__(receive, send, header)
        self.close_code: int | None = None
        self.client_left = False

    async def receive(self) -> Message:
        """The next message from the client."""
        message = await self._receive()
        if message["type"] == "websocket.disconnect" and self.close_code is None:
            self.close_code = message.get("code", 1005)
            self.client_left = True
        return message

    async def send(self, message: Message) -> None:
        """Send a message to the client."""
        kind = message["type"]
        if kind == "websocket.accept":
            self.status = _SWITCHING_PROTOCOLS
            message = with_header(message, self._header)
        elif kind == "websocket.http.response.start":
            self.status = message["status"]
            message = with_header(message, self._header)
        elif kind == "websocket.close":
            self.status = self.status or _FORBIDDEN
            self.close_code = self.close_code or message.get("code", 1000)
        await self._send(message)
        if kind == "websocket.send":
            self.size += _size(message)

    def outcome(self, failure: BaseException | None) -> Outcome:
        """How the connection ended, given the exception that it ended with."""
        if self.client_left and (self.close_code not in _NORMAL_CLOSES or self.status is None):
            return "disconnect"
        if failure is not None and not isinstance(failure, WebSocketDisconnect):
            return "error"
        return "error" if self.status is None or self.status >= _SERVER_ERRORS else "ok"


def with_header(message: Message, header: Header) -> Message:
    """The message with this header in place of any other of its name."""
    headers = [pair for pair in message.get("headers", ()) if pair[0] != header[0]]
    headers.append(header)
    return {**message, "headers": headers}


def _size(message: Message) -> int:
    text: str | None = message.get("text")
    if text is None:
        return len(message.get("bytes") or b"")
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))
