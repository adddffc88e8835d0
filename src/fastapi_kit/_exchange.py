"""What can be observed of one request from outside: the status, the bytes, and how it ended.

One layer watches the messages of an exchange; whoever wants to know how it ended is an `Observer` and gets told by that
layer, so that a second layer for a second purpose is not needed.

The theory of operation: a response is complete when its last body message was sent. A failure after the start, or
an application that just stops, leaves it truncated; a client that goes first, which shows as a disconnect message
or an error of sending, is not the application's fault and has an outcome of its own.
"""

import logging
from collections.abc import Callable, Iterable
from typing import Any, Literal, NamedTuple, Protocol

from starlette.requests import ClientDisconnect
from starlette.types import Message, Receive, Scope, Send
from starlette.websockets import WebSocketDisconnect

Outcome = Literal["ok", "error", "disconnect", "truncated"]
"""How a request ended: `error` with a 5xx or an escaped exception, `disconnect` where the client went first,
`truncated` where the response broke off."""

ExchangeKind = Literal["http", "websocket"]

Header = tuple[bytes, bytes]

logger = logging.getLogger("fastapi_kit.observers")

_SERVER_ERRORS = 500
_SWITCHING_PROTOCOLS = 101
_FORBIDDEN = 403
_NORMAL_CLOSES = frozenset({1000, 1001, 1005})


class Observed(NamedTuple):
    """An exchange that has ended."""

    kind: ExchangeKind
    method: str
    """`WEBSOCKET` for a websocket."""
    route: str | None
    """The template of its path; `None` where no route matched."""
    status: int | None
    """Of a websocket 101, or that of the refusal; `None` without any answer."""
    outcome: Outcome
    duration: float
    """Seconds."""
    size: int
    """Bytes that were sent, of bodies alone."""


class Observer(Protocol):
    """Who wants to know of exchanges. Both methods are called in the event loop, and must not wait."""

    def started(self, kind: ExchangeKind, /) -> None:
        """Hear of an exchange that begins."""
        ...

    def ended(self, exchange: Observed, /) -> None:
        """Hear of an exchange that has ended; once for each that has begun."""
        ...


class Observers:
    """Several observers, told in turn: one that raises is logged, and fails neither the request nor the others."""

    def __init__(self, observers: Iterable[Observer]) -> None:
        self._started = [observer.started for observer in observers]
        self._ended = [observer.ended for observer in observers]

    def started(self, kind: ExchangeKind) -> None:
        """Tell all that an exchange begins."""
        for told in self._started:
            _tell(told, kind)

    def ended(self, exchange: Observed) -> None:
        """Tell all that an exchange has ended."""
        for told in self._ended:
            _tell(told, exchange)


def _tell(told: Callable[[Any], None], what: object) -> None:
    try:
        told(what)
    except Exception:
        logger.exception("An observer of requests has failed.")


class _Exchange:
    __slots__ = (
        "_header",
        "_now",
        "_receive",
        "_send",
        "answered",
        "client_left",
        "close_code",
        "complete",
        "size",
        "status",
    )

    def __init__(
        self, receive: Receive, send: Send, header: Header | None = None, now: Callable[[], float] | None = None
    ) -> None:
        self._receive = receive
        self._send = send
        self._header = header
        self._now = now
        self.answered: float | None = None
        self.status: int | None = None
        self.size: int = 0
        self.complete: bool = False
        self.client_left: bool = False
        self.close_code: int | None = None


class HttpExchange(_Exchange):
    """Passes the messages of one HTTP request on, adds a header to the response, and remembers what it saw."""

    __slots__ = ()

    async def receive(self) -> Message:
        """The next message from the client."""
        message = await self._receive()
        if message["type"] == "http.disconnect":
            self.client_left = True
        return message

    async def send(self, message: Message) -> None:
        """Send a message of the response."""
        kind = message["type"]
        if kind == "http.response.start":
            self.status = message["status"]
            if self._now is not None:
                self.answered = self._now()
            message = with_header(message, self._header)
        try:
            await self._send(message)
        except OSError:
            self.client_left = True
            raise
        if kind == "http.response.body":
            self.size += len(message.get("body", b""))
            self.complete = not message.get("more_body", False)
        elif kind == "http.response.pathsend":
            self.complete = True

    def outcome(self, failure: BaseException | None) -> Outcome:
        """How the request ended, given the exception that it ended with."""
        if self.complete and failure is None and self.status is not None and self.status < _SERVER_ERRORS:
            return "ok"
        if not self.complete and (self.client_left or isinstance(failure, ClientDisconnect)):
            return "disconnect"
        if not self.complete and self.status is not None:
            return "truncated"
        return "error"


class WebSocketExchange(_Exchange):
    """Passes the messages of one websocket on, adds a header to the handshake, and remembers what it saw."""

    __slots__ = ()

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


def exchange_of(
    kind: ExchangeKind,
    receive: Receive,
    send: Send,
    header: Header | None = None,
    now: Callable[[], float] | None = None,
) -> HttpExchange | WebSocketExchange:
    """What watches an exchange of this kind, adds `header` to its answer, and notes when, by `now`, that started."""
    return (HttpExchange if kind == "http" else WebSocketExchange)(receive, send, header, now)


def observed(
    exchange: HttpExchange | WebSocketExchange,
    scope: Scope,
    route: str | None,
    duration: float,
    failure: BaseException | None,
) -> Observed:
    """How an exchange has ended, given the exception that it ended with."""
    method: str = scope.get("method", "WEBSOCKET")
    size = 0 if method == "HEAD" else exchange.size  # a server sends no body then, whatever it is given
    return Observed(scope["type"], method, route, exchange.status, exchange.outcome(failure), duration, size)


def with_header(message: Message, header: Header | None) -> Message:
    """The message with this header, if there is one, in place of any other of its name."""
    if header is None:
        return message
    headers = [pair for pair in message.get("headers", ()) if pair[0] != header[0]]
    headers.append(header)
    return {**message, "headers": headers}


def _size(message: Message) -> int:
    text: str | None = message.get("text")
    if text is None:
        return len(message.get("bytes") or b"")
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))
