"""The context of a request: its id everywhere, and one event when it has ended."""

import os
import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import structlog
from starlette.types import ASGIApp, Receive, Scope, Send
from structlog.contextvars import bind_contextvars, clear_contextvars, get_contextvars

from fastapi_kit._asgi import REQUEST_ID, header
from fastapi_kit._clock import SYSTEM_CLOCK, Clock
from fastapi_kit._exchange import Observed, Observer, Observers, Outcome, exchange_of, observed
from fastapi_kit._routes import template
from fastapi_kit.logs._configure import adopt_servers

ACCESS_LOGGER = "fastapi_kit.access"
"""The logger that writes the access events."""

# Of bounded length, and of characters that mean nothing to logs, headers, shells or HTML.
_VALID_ID = re.compile(rb"[A-Za-z0-9._:+/=-]{1,128}")
_LONGEST_URL = 2_048
_LONGEST_USER_AGENT = 256
_LEVELS: Mapping[Outcome, str] = {"ok": "info", "error": "error", "disconnect": "warning", "truncated": "warning"}
_REFUSED = 400


class RequestContextMiddleware:
    """Gives every request an id, and writes one access event for it when it has ended.

    The id is the client's if that is a valid one (1 to 128 characters of `A-Za-z0-9._:+/=-`), else a new one of 32
    hexadecimal digits. It is in the response header, in the scope, and on every line that is logged in the request,
    by structlog or by the standard library, in endpoints, dependencies and their threads. What an endpoint binds
    with `structlog.contextvars` is on the access event as well.

    The event `request` has `method`, `url` (the path, without query), `route` (the template), `status_code`,
    `duration` (seconds), `bytes` (of the body, as sent), `user_agent`, `client`, `outcome` (`ok`, `error`,
    `disconnect`, `truncated`) and, where an exception escaped, `error`, its class. Its level is info; error for the
    outcome `error`, warning for the other two. A websocket has one event when it has closed, with `WEBSOCKET` as
    method and its `close_code`.

    The traceback of an exception is left to the server, which logs it anyway: the request id stays bound for that line.

    Add it last, so that it is outermost. Inside another one it does nothing.

    Args:
        app: What is inside.
        header: Name of the header, of requests and responses alike.
        quiet: Route templates or paths, of probes for example, whose successes are logged at debug level.
        observers: Who is told of each exchange as well, such as `fastapi_kit.metrics.Metrics`; nobody by default.
        clock: Gives the duration.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        header: str = "X-Request-ID",
        quiet: Collection[str] = ("/health", "/ready", "/metrics"),
        observers: Sequence[Observer] = (),
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self.app = app
        self._header = header.lower().encode("ascii")
        self._quiet = frozenset(quiet)
        self._observers = Observers(observers)
        self._clock = clock
        self._log: Any = None
        self._log_made_from: tuple[object, ...] = ()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Run what is inside with the request's id in its context."""
        kind = scope["type"]
        if kind not in {"http", "websocket"} or REQUEST_ID in scope:
            if kind == "lifespan":
                adopt_servers()
            await self.app(scope, receive, send)
            return
        given = header(scope["headers"], self._header)
        raw_id = given if given is not None and _VALID_ID.fullmatch(given) else os.urandom(16).hex().encode()
        request_id = scope[REQUEST_ID] = raw_id.decode("ascii")
        exchange = exchange_of(kind, receive, send, (self._header, raw_id))
        outside = get_contextvars()
        if "request_id" in outside:
            # Left by a request that failed, or that this task was started in (pipelining): nothing of it belongs here.
            outside = {}
            clear_contextvars()
        bind_contextvars(request_id=request_id)
        self._observers.started(kind)
        started = self._clock.monotonic()
        failure: BaseException | None = None
        try:
            await self.app(scope, exchange.receive, exchange.send)
        except BaseException as exc:
            failure = exc
            raise
        finally:
            duration = self._clock.monotonic() - started
            seen = observed(exchange, scope, template(scope), duration, failure)
            self._observers.ended(seen)
            self._write(scope, seen, exchange.close_code, failure)
            if failure is None:
                # Also what endpoints have bound: the next request may run in the same task.
                clear_contextvars()
                bind_contextvars(**outside)

    def _write(self, scope: Scope, seen: Observed, close_code: int | None, failure: BaseException | None) -> None:
        path = scope["path"]
        level = _LEVELS[seen.outcome]
        if level == "info" and (seen.route in self._quiet or path in self._quiet) and (seen.status or 0) < _REFUSED:
            level = "debug"
        client = scope.get("client")
        event: dict[str, Any] = {
            "method": seen.method,
            "url": path[:_LONGEST_URL],
            "route": seen.route,
            "status_code": seen.status,
            "duration": round(seen.duration, 6),
            "bytes": seen.size,
            "user_agent": _text(header(scope["headers"], b"user-agent")),
            "client": client[0] if client else None,
            "outcome": seen.outcome,
        }
        if seen.kind == "websocket":
            event["close_code"] = close_code
        if failure is not None:
            event["error"] = type(failure).__qualname__
        getattr(self._bound_logger(), level)("request", **event)

    def _bound_logger(self) -> Any:
        """The access logger, bound anew only when structlog was configured anew: binding costs a third of an event."""
        config = structlog.get_config()
        made_from = (config["processors"], config["wrapper_class"], config["logger_factory"])
        if made_from != self._log_made_from:  # compares by identity first
            self._log = structlog.get_logger(ACCESS_LOGGER).bind()
            self._log_made_from = made_from
        return self._log


def _text(value: bytes | None) -> str | None:
    return None if value is None else value[:_LONGEST_USER_AGENT].decode("latin-1")
