"""What the exposition says after requests of every kind."""

import gc
from collections import Counter
from collections.abc import AsyncIterator

import pytest
from fastapi import APIRouter, Depends, FastAPI, HTTPException, WebSocket
from fastapi.responses import StreamingResponse
from fastapi.security import HTTPBearer
from fastapi.testclient import TestClient
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry
from prometheus_client import Counter as PrometheusCounter
from starlette.types import Message, Scope
from starlette.websockets import WebSocketDisconnect

from fastapi_kit.logs import RequestContextMiddleware
from fastapi_kit.metrics import Metrics, MetricsMiddleware
from fastapi_kit.testing import FrozenClock
from tests.metrics.samples import Series, labels_of, samples, value


def exposed(metrics: Metrics) -> dict[Series, float]:
    """What is exposed now."""
    return samples(metrics.exposition()[0].decode())


def make_app(metrics: Metrics, clock: FrozenClock | None = None) -> FastAPI:
    """An app with routes in inclusions and mounts, and all ways to end."""
    inner = APIRouter(prefix="/inner")

    @inner.get("/{item}")
    @inner.delete("/{item}")
    async def item(item: int) -> int:
        if clock is not None:
            clock.advance(item)
        return item

    outer = APIRouter(prefix="/api/{version}")
    outer.include_router(inner)
    mounted = FastAPI()
    mounted.include_router(inner)
    app = FastAPI()
    app.include_router(outer)
    app.mount("/mounted", mounted)
    app.include_router(metrics.router())

    @app.get("/fails")
    async def fails() -> None:
        raise ZeroDivisionError

    @app.get("/cut")
    async def cut() -> StreamingResponse:
        async def parts() -> AsyncIterator[bytes]:
            yield b"begin"
            raise ZeroDivisionError

        return StreamingResponse(parts())

    @app.websocket("/rooms/{room}")
    async def chat(websocket: WebSocket, room: str) -> None:
        await websocket.accept()
        await websocket.receive_text()
        if room == "fails":
            raise ZeroDivisionError
        await websocket.close()

    app.add_middleware(MetricsMiddleware, observer=metrics, **({"clock": clock} if clock else {}))
    return app


calls = st.lists(
    st.sampled_from(
        [
            ("GET", "/api/v1/inner/1", "GET", "/api/{version}/inner/{item}", "200"),
            ("GET", "/api/v2/inner/2", "GET", "/api/{version}/inner/{item}", "200"),
            ("DELETE", "/api/v2/inner/2", "DELETE", "/api/{version}/inner/{item}", "200"),
            ("GET", "/api/v1/inner/x", "GET", "/api/{version}/inner/{item}", "422"),
            ("PUT", "/api/v1/inner/1", "PUT", "/api/{version}/inner/{item}", "405"),
            ("GET", "/mounted/inner/7", "GET", "/mounted/inner/{item}", "200"),
            ("GET", "/mounted/nowhere", "GET", "unmatched", "404"),
            ("GET", "/api/v1/nowhere", "GET", "unmatched", "404"),
            ("BREW", "/nowhere/1", "other", "unmatched", "404"),
            ("STEEP", "/api/v1/inner/1", "other", "/api/{version}/inner/{item}", "405"),
        ]
    ),
    max_size=20,
)


@settings(deadline=None)  # a loaded machine is no failure
@given(calls)
def test_requests_are_counted_by_full_template_and_status(made: list[tuple[str, str, str, str, str]]) -> None:
    """Law: what is exposed is what a counter beside the client says, through inclusions and mounts."""
    metrics = Metrics(registry=CollectorRegistry())
    client = TestClient(make_app(metrics))
    expected: Counter[tuple[str, str, str]] = Counter()
    for method, path, *labels in made:
        client.request(method, path)
        expected[labels[0], labels[1], labels[2]] += 1
    found = exposed(metrics)
    counted = {
        (labels["method"], labels["route"], labels["status"]): value(found, "http_requests_total", **labels)
        for labels in labels_of(found, "http_requests_total")
    }
    assert counted == dict(expected)
    by_route: Counter[tuple[str, str]] = Counter()
    for (method, route, _), times in expected.items():
        by_route[method, route] += times
    for (method, route), times in by_route.items():
        assert value(found, "http_request_duration_seconds_count", method=method, route=route) == times
    assert value(found, "http_requests_in_progress") == 0


def test_durations_and_bytes_are_those_of_the_responses() -> None:
    """By a clock that stands still between requests."""
    clock, metrics = FrozenClock(), Metrics(registry=CollectorRegistry(), buckets=(1, 5, 30))
    client = TestClient(make_app(metrics, clock))
    for seconds in (0, 5, 20, 40):
        client.get(f"/api/v1/inner/{seconds}")
    found, route = exposed(metrics), {"method": "GET", "route": "/api/{version}/inner/{item}"}
    buckets = [
        value(found, "http_request_duration_seconds_bucket", **route, le=le) for le in ("1.0", "5.0", "30.0", "+Inf")
    ]
    assert buckets == [1, 2, 3, 4]
    assert value(found, "http_request_duration_seconds_sum", **route) == 65
    assert value(found, "http_response_bytes_total", **route) == len("0") + len("5") + len("20") + len("40")


@pytest.mark.parametrize(
    ("path", "status", "outcome"),
    [("/fails", "none", "error"), ("/cut", "200", "truncated")],
    ids=["error", "truncated"],
)
def test_failures_are_told_by_their_outcome(path: str, status: str, outcome: str) -> None:
    """Also where there was no status, or a good one."""
    metrics = Metrics(registry=CollectorRegistry())
    TestClient(make_app(metrics), raise_server_exceptions=False).get(path)
    labels = {"method": "GET", "route": path, "status": status, "outcome": outcome}
    assert value(exposed(metrics), "http_requests_total", **labels) == 1


def test_websockets_are_sessions_and_no_requests() -> None:
    """Counted when they have ended, with how they did."""
    metrics = Metrics(registry=CollectorRegistry())
    client = TestClient(make_app(metrics))
    with client.websocket_connect("/rooms/1") as websocket:
        assert value(exposed(metrics), "websocket_sessions_in_progress") == 1
        websocket.send_text("leave")
    with pytest.raises(ZeroDivisionError), client.websocket_connect("/rooms/fails") as websocket:
        websocket.send_text("fail")
    found = exposed(metrics)
    for outcome in ("ok", "error"):
        labels = {"route": "/rooms/{room}", "status": "101", "outcome": outcome}
        assert value(found, "websocket_sessions_total", **labels) == 1
    assert value(found, "websocket_session_duration_seconds_count", route="/rooms/{room}") == 2
    assert value(found, "websocket_sessions_in_progress") == value(found, "http_requests_in_progress") == 0
    assert labels_of(found, "http_requests_total") == []


def test_a_refused_websocket_is_counted_and_not_timed() -> None:
    """It has no duration that would say anything of sessions."""
    metrics = Metrics(registry=CollectorRegistry())
    with pytest.raises(WebSocketDisconnect), TestClient(make_app(metrics)).websocket_connect("/nowhere"):
        pass
    found = exposed(metrics)
    assert value(found, "websocket_sessions_total", route="unmatched", status="403", outcome="ok") == 1
    assert labels_of(found, "websocket_session_duration_seconds_count") == []


def kept() -> int:
    """How many kinds of requests are remembered, in this process."""
    return sum(type(thing).__name__ == "_Request" for thing in gc.get_objects())


@pytest.mark.anyio
async def test_ten_thousand_paths_and_methods_are_few_series() -> None:
    """Whatever is asked for, the number of series is bounded, and so is what is remembered for the next request."""
    metrics = Metrics(registry=CollectorRegistry())
    app = make_app(metrics)

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(_: Message) -> None: ...

    async def ask(method: str, path: str) -> None:
        scope: Scope = {"type": "http", "method": method, "path": path, "query_string": b"", "headers": []}
        await app(scope, receive, send)

    await ask("GET", "/api/v0/inner/0")
    await ask("M", "/api/v0/inner/0")
    await ask("M", "/")
    before, kept_before = len(exposed(metrics)), kept()
    for number in range(5_000):
        await ask(f"M{number}", f"/{number}/{number}")
        await ask(f"M{number}", f"/api/v{number}/inner/{number}")
    found = exposed(metrics)
    assert len(found) == before
    assert kept() == kept_before
    assert value(found, "http_requests_total", method="other", route="unmatched", status="404", outcome="ok") == 5_001


def test_the_exposition_is_in_the_format_that_is_asked_for() -> None:
    """Prometheus' text by default, OpenMetrics where that is named, whatever else the header says."""
    client = TestClient(make_app(Metrics()))
    for accept, media_type in {
        "": "text/plain; version=0.0.4; charset=utf-8",
        "*/*": "text/plain; version=0.0.4; charset=utf-8",
        "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;q=0.1": "application/openmetrics-text",
        "Application/OpenMetrics-Text; version=a.b": "application/openmetrics-text",
        "text/plain; version=x;escaping=y": "text/plain; version=0.0.4; charset=utf-8",
    }.items():
        answer = client.get("/metrics", headers={"accept": accept})
        assert answer.headers["content-type"].startswith(media_type)
        assert answer.headers["cache-control"] == "no-store"
        assert labels_of(samples(answer.text), "http_requests_in_progress") == [{}]


def test_the_exposition_may_be_kept_from_strangers() -> None:
    """Its route takes dependencies, and is not in the document."""
    metrics = Metrics(path="/internal/metrics", dependencies=[Depends(HTTPBearer())])
    app = make_app(metrics)
    client = TestClient(app)
    assert client.get("/internal/metrics").status_code == 401
    assert client.get("/internal/metrics", headers={"authorization": "Bearer x"}).status_code == 200
    assert "/internal/metrics" not in app.openapi()["paths"]


def test_metrics_of_ones_own_are_exposed_beside_them() -> None:
    """Those of the registry that is named; two apps in one process have each their own."""
    registry = CollectorRegistry()
    PrometheusCounter("orders", "Orders that were taken.", registry=registry).inc(3)
    one, other = Metrics(registry=registry), Metrics(registry=registry)
    TestClient(make_app(one)).get("/api/v1/inner/1")
    assert value(exposed(one), "orders_total") == value(exposed(other), "orders_total") == 3
    assert labels_of(exposed(one), "http_requests_total")
    assert not labels_of(exposed(other), "http_requests_total")
    assert value(exposed(Metrics()), "python_info") is None  # it has labels
    assert labels_of(exposed(Metrics()), "python_info")


def test_the_layer_of_the_logs_tells_the_same() -> None:
    """One layer for both: the same requests, counted once."""
    metrics = Metrics(registry=CollectorRegistry())
    app = FastAPI()

    @app.get("/{item}")
    async def item(item: int) -> int:
        if item == 0:
            raise HTTPException(404)
        return item

    app.add_middleware(RequestContextMiddleware, observers=[metrics])
    client = TestClient(app)
    for number in (0, 1, 2):
        client.get(f"/{number}")
    found, labels = exposed(metrics), {"method": "GET", "route": "/{item}", "outcome": "ok"}
    assert value(found, "http_requests_total", status="200", **labels) == 2
    assert value(found, "http_requests_total", status="404", **labels) == 1


def test_a_lifespan_passes() -> None:
    """Start-up is no request."""
    metrics = Metrics(registry=CollectorRegistry())
    with TestClient(make_app(metrics)):
        assert labels_of(exposed(metrics), "http_requests_total") == []
