"""The context of a request: its id everywhere, and one event when it has ended."""

import re
from collections.abc import Collection, Mapping, Sequence
from contextvars import Context, ContextVar, Token, copy_context
from typing import Any

from starlette.types import ASGIApp, Receive, Scope, Send
from structlog.contextvars import bind_contextvars, clear_contextvars, get_contextvars

from fastapi_kit._asgi import REQUEST_ID
from fastapi_kit._clock import SYSTEM_CLOCK, Clock
from fastapi_kit._exchange import (
    HttpExchange,
    Observed,
    Observer,
    Observers,
    Outcome,
    WebSocketExchange,
    exchange_of,
    observed,
)
from fastapi_kit._routes import template
from fastapi_kit.logs._access import Access, AccessLog
from fastapi_kit.logs._configure import adopt_servers
from fastapi_kit.logs._ids import RequestIds
from fastapi_kit.logs._traces import add_trace

# Of bounded length, and of characters that mean nothing to logs, headers, shells or HTML.
_VALID_ID = re.compile(rb"[A-Za-z0-9._:+/=-]{1,128}")
_LONGEST_URL = 2_048
_LONGEST_USER_AGENT = 256
_LEVELS: Mapping[Outcome, str] = {"ok": "info", "error": "error", "disconnect": "warning", "truncated": "warning"}
_REFUSED = 400
_UNAVAILABLE = 503
_BELOW = "/*"
_IDS = RequestIds()
_ID: ContextVar[Any] = Context().run(bind_contextvars, request_id="")["request_id"].var
"""Where structlog keeps the `request_id` that is bound: to set it costs a tenth of what `bind_contextvars` does."""
_UNBOUND = (Token.MISSING, ...)
"""What structlog's variables hold where nothing is bound."""


class RequestContextMiddleware:
    """Gives every request an id, and writes one access event for it when it has ended.

    The id is the client's if that is a valid one (1 to 128 characters of `A-Za-z0-9._:+/=-`), else a new one of 32
    hexadecimal digits. It is in the response header, in the scope, and on every line that is logged in the request,
    by structlog or by the standard library, in endpoints, dependencies, background tasks and their threads. What an
    endpoint binds with `structlog.contextvars` is on the access event as well.

    The event `request` has `method`, `url` (the path, without query), `route` (the template), `status_code`,
    `duration` (seconds), `bytes` (of the body, as sent), `user_agent`, `client`, `outcome` (`ok`, `error`,
    `disconnect`, `truncated`) and, where an exception escaped, `error`, its class. Its level is info; error for the
    outcome `error`, warning for the other two. A websocket has one event when it has closed, with `WEBSOCKET` as
    method and its `close_code`.

    The traceback of an exception is left to the server, which logs it anyway: the request id stays bound for that line,
    and so does the trace, where OpenTelemetry traces.

    Add it last, so that it is outermost. Inside another one it does nothing.

    Args:
        app: What is inside.
        header: Name of the header, of requests and responses alike.
        quiet: Route templates or paths, of probes for example; `/health/*` is all below `/health`. Successes are
            logged at debug level, and a 503, by which a probe says that the service is not ready, at warning.
        slow: Seconds from the request to the start of the response, from which on a request has `slow` on its event,
            which is a warning at least; for ever if not given. A stream may go on for as long as it likes.
        observers: Who is told of each exchange as well, such as `fastapi_kit.metrics.Metrics`; nobody by default.
        clock: Gives the duration.

    Raises:
        ValueError: `slow` is not more than 0.
    """

    def __init__(  # noqa: PLR0913 - independent options, each with a default
        self,
        app: ASGIApp,
        *,
        header: str = "X-Request-ID",
        quiet: Collection[str] = ("/health", "/health/*", "/ready", "/metrics"),
        slow: float | None = None,
        observers: Sequence[Observer] = (),
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        if slow is not None and slow <= 0:
            raise ValueError(f"slow={slow!r}: a number of seconds above 0, or None for never")
        self.app = app
        self._header = header.lower().encode("ascii")
        self._quiet = frozenset(quiet)
        self._quiet_below = tuple(path.removesuffix("*") for path in quiet if path.endswith(_BELOW))
        self._slow = float("inf") if slow is None else slow
        self._observers = Observers(observers)
        self._clock = clock
        self._answered = None if slow is None else clock.monotonic  # who asks for nothing slow need not know
        self._log = AccessLog()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Run what is inside with the request's id in its context."""
        kind = scope["type"]
        if kind not in {"http", "websocket"} or REQUEST_ID in scope:
            if kind == "lifespan":
                adopt_servers()
            await self.app(scope, receive, send)
            return
        sent = dict(scope["headers"])
        given = sent.get(self._header)
        request_id = given.decode("ascii") if given is not None and _VALID_ID.fullmatch(given) else _IDS.new()
        scope[REQUEST_ID] = request_id
        now = self._clock.monotonic
        exchange = exchange_of(kind, receive, send, (self._header, request_id.encode("ascii")), self._answered)
        before = copy_context()
        if _ID.set(request_id).old_value not in _UNBOUND:
            # Left by a request that failed, or that this task was started in (pipelining): nothing of it belongs here.
            before = Context()
            clear_contextvars()
            _ID.set(request_id)
        self._observers.started(kind)
        started = now()
        failure: BaseException | None = None
        try:
            await self.app(scope, exchange.receive, exchange.send)
        except BaseException as exc:
            failure = exc
            raise
        finally:
            ended = now()
            seen = observed(exchange, scope, template(scope), ended - started, failure)
            self._observers.ended(seen)
            bound = get_contextvars()
            level = self._level(seen, scope["path"])
            more = self._more(seen, exchange, (exchange.answered or ended) - started, failure)
            if "slow" in more and level != "error":
                level = "warning"
            self._log.write(level, _access(scope, sent.get(b"user-agent"), seen), more, bound)
            if failure is None:
                _restore(before, bound)
            else:
                bind_contextvars(**add_trace(None, "", {}))

    def _more(
        self, seen: Observed, exchange: HttpExchange | WebSocketExchange, waited: float, failure: BaseException | None
    ) -> dict[str, Any]:
        """What few events have."""
        more: dict[str, Any] = {}
        if waited >= self._slow and seen.kind == "http":
            more["slow"] = True
        if seen.kind == "websocket":
            more["close_code"] = exchange.close_code
        if failure is not None:
            more["error"] = type(failure).__qualname__
        return more

    def _level(self, seen: Observed, path: str) -> str:
        level = _LEVELS[seen.outcome]
        quiet = self._quiet
        if seen.route in quiet or path in quiet or path.startswith(self._quiet_below):
            status = seen.status or 0
            if level == "info" and status < _REFUSED:
                return "debug"
            if status == _UNAVAILABLE:
                return "warning"
        return level


def _access(scope: Scope, user_agent: bytes | None, seen: Observed) -> Access:
    client = scope.get("client")
    return Access(
        seen.method,
        scope["path"][:_LONGEST_URL],
        seen.route,
        seen.status,
        round(seen.duration, 6),
        seen.size,
        None if user_agent is None else user_agent[:_LONGEST_USER_AGENT].decode("latin-1"),
        client[0] if client else None,
        seen.outcome,
    )


def _restore(before: Context, bound: Mapping[str, Any]) -> None:
    """Undo what was bound since: the next request may run in the same task."""
    if len(bound) == 1 and "request_id" in bound:  # all that most requests bind
        _ID.set(...)
        return
    clear_contextvars()
    bind_contextvars(**before.run(get_contextvars))
