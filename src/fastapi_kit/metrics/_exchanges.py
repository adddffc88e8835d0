"""What is counted and timed of each exchange: rate, errors, duration.

Every label is of a bounded number of values, whatever clients send: a route is a template or `unmatched`, a method one
that is known or `other`, a status one of HTTP's or `none`. The series of each combination are looked up once: an
observation is one look into a dictionary and three additions.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from fastapi_kit._exchange import ExchangeKind, Observed
from fastapi_kit.metrics._prometheus import CollectorRegistry, Counter, Gauge, Histogram

METHODS = frozenset({"CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "QUERY", "TRACE"})
UNMATCHED = "unmatched"
"""The route of a request that no route matched."""
OTHER = "other"
NONE = "none"

_STATUSES = range(100, 600)
_SWITCHING_PROTOCOLS = 101
_SESSION_BUCKETS = (1, 10, 60, 300, 900, 3_600, 14_400, 86_400)


class _Request(NamedTuple):
    """The series of one kind of request."""

    add_one: Callable[[], None]
    time: Callable[[float], None]
    add_bytes: Callable[[float], None]


class ExchangeMetrics:
    """Observes exchanges for Prometheus.

    Args:
        registry: Where the metrics are registered.
        buckets: Upper bounds of the durations of requests that are told apart, in seconds.
    """

    def __init__(self, registry: CollectorRegistry, buckets: Sequence[float]) -> None:
        route = ("method", "route")
        self._requests = Counter(
            "http_requests",
            "Requests that have ended, by how they did: ok, error, disconnect or truncated.",
            (*route, "status", "outcome"),
            registry=registry,
        )
        self._durations = Histogram(
            "http_request_duration_seconds",
            "Seconds from the request to the end of the response.",
            route,
            registry=registry,
            buckets=buckets,
        )
        self._bytes = Counter("http_response_bytes", "Bytes of the bodies of responses.", route, registry=registry)
        self._sessions = Counter(
            "websocket_sessions",
            "Websockets that have ended or were refused, by status (101, or that of the refusal) and how they did.",
            ("route", "status", "outcome"),
            registry=registry,
        )
        self._session_durations = Histogram(
            "websocket_session_duration_seconds",
            "Seconds from the handshake to the end of a websocket.",
            ("route",),
            registry=registry,
            buckets=_SESSION_BUCKETS,
        )
        self._open = {
            "http": _gauge("http_requests_in_progress", "Requests that are being answered.", registry),
            "websocket": _gauge("websocket_sessions_in_progress", "Websockets that are open.", registry),
        }
        self._known: dict[tuple[str, str | None, int | None, str], _Request] = {}

    def started(self, kind: ExchangeKind) -> None:
        """Count an exchange that has begun."""
        self._open[kind].inc()

    def ended(self, exchange: Observed) -> None:
        """Count and time an exchange that has ended."""
        self._open[exchange.kind].dec()
        if exchange.kind == "websocket":
            self._session(exchange)
            return
        request = self._known.get((exchange.method, exchange.route, exchange.status, exchange.outcome))
        if request is None:
            request = self._request(exchange)
        request.add_one()
        request.time(exchange.duration)
        request.add_bytes(exchange.size)

    def _session(self, exchange: Observed) -> None:
        """Count a websocket, and time it if it came about."""
        route = exchange.route or UNMATCHED
        self._sessions.labels(route, _label_of(exchange.status), exchange.outcome).inc()
        if exchange.status == _SWITCHING_PROTOCOLS:
            self._session_durations.labels(route).observe(exchange.duration)

    def _request(self, exchange: Observed) -> _Request:
        """The series of such a request, kept for the next one unless it is of an unbounded kind."""
        method = exchange.method if exchange.method in METHODS else OTHER
        status = _label_of(exchange.status)
        route = (method, exchange.route or UNMATCHED)
        request = _Request(
            self._requests.labels(*route, status, exchange.outcome).inc,
            self._durations.labels(*route).observe,
            self._bytes.labels(*route).inc,
        )
        if method != OTHER and status != NONE:
            self._known[exchange.method, exchange.route, exchange.status, exchange.outcome] = request
        return request


def _label_of(status: int | None) -> str:
    return str(status) if status in _STATUSES else NONE


def _gauge(name: str, documentation: str, registry: CollectorRegistry) -> Gauge:
    return Gauge(name, documentation, registry=registry, multiprocess_mode="livesum")
