"""Every way to fail, over the whole stack and a real server: what the client gets, and what the log says."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import httpx2
import pytest
import websockets.exceptions
from websockets.sync.client import connect

from fastapi_kit.security import API_HEADERS
from tests.integration.failing import INPUT, ORIGIN, SECRET, TYPES, Served, served

JSON = {"content-type": "application/json"}
CSV = {"content-type": "text/csv"}


@dataclass(frozen=True)
class Failure:
    """A request, the answer that it gets, and how many tracebacks the log has of it."""

    path: str
    status: int
    kind: str = "about:blank"
    """The name of the problem's type."""
    tracebacks: int = 0
    method: str = "GET"
    content: bytes | None = None
    headers: dict[str, str] = field(default_factory=dict[str, str])
    answered: dict[str, str] = field(default_factory=dict[str, str])
    """Headers that the answer has."""


RETRY = {"retry-after": "1"}
FAILED = ("internal-server-error", 1)
FAILURES: dict[str, Failure] = {
    "unknown path": Failure(f"/{INPUT}", 404, "not-found"),
    "unknown method": Failure("/orders", 405, "method-not-allowed", method="PUT", answered={"allow": "GET, POST"}),
    "over the app's limit": Failure(
        "/orders", 413, "content-too-large", method="POST", content=b"1" * 1_100_000, headers=JSON
    ),
    "over a router's limit": Failure(
        "/tags", 413, "content-too-large", method="POST", content=b"1" * 300_000, headers=JSON
    ),
    "other media type": Failure(
        "/tags",
        415,
        "unsupported-media-type",
        method="POST",
        content=INPUT.encode(),
        headers={"content-type": "text/csv"},
    ),
    "malformed body": Failure("/orders", 422, "validation", method="POST", content=INPUT.encode(), headers=JSON),
    "wrong body": Failure(
        "/orders", 422, "validation", method="POST", content=f'{{"copies": "{INPUT}"}}'.encode(), headers=JSON
    ),
    "wrong parameter": Failure(
        f"/orders?limit={INPUT}", 422, "validation", method="POST", content=b'{"copies": 1}', headers=JSON
    ),
    "unknown parameter": Failure(f"/tags?page={INPUT}", 422, "validation"),
    "unknown host": Failure("/orders", 400, "bad-request", headers={"host": "evil.example"}),
    "problem": Failure("/problem", 404, "not-found"),
    "unauthorized": Failure("/unauthorized", 401, "unauthorized", answered={"www-authenticate": "Bearer"}),
    "http exception": Failure("/http-exception", 429, "too-many-requests", answered={"retry-after": "3"}),
    "business": Failure("/business", 402, "empty-shelf"),
    "violated constraint": Failure("/tags", 409, "conflict", method="POST", content=b'{"name": "taken"}', headers=JSON),
    "failure": Failure("/fails", 500, *FAILED),
    "failure in a thread": Failure("/fails-in-a-thread", 500, *FAILED),
    "answer of another shape": Failure("/wrong-answer", 500, *FAILED),
    "dependency": Failure("/dependency", 500, *FAILED),
    "dependency at its end": Failure("/end", 500, *FAILED),
    "middleware refuses": Failure("/guard/forbidden", 403, "forbidden"),
    "middleware fails": Failure("/guard/fails", 500, *FAILED),
    "old middleware fails": Failure("/old-guard/fails", 500, *FAILED),
    "failure through old middleware": Failure("/old-guard/passes", 500, *FAILED),
    "group of client errors": Failure("/group/alike", 404, "not-found"),
    "group of both": Failure("/group/mixed", 500, *FAILED),
    "group of failures": Failure("/group/failures", 500, *FAILED),
    "database down": Failure("/database/down", 503, "service-unavailable", answered=RETRY),
    "pool exhausted": Failure("/database/exhausted", 503, "service-unavailable", answered=RETRY),
    "database locked": Failure("/database/locked", 503, "transaction-conflict", answered=RETRY),
}
ON_POSTGRES: dict[str, Failure] = {
    "serialization failure": Failure("/database/state/40001", 503, "transaction-conflict", answered=RETRY),
    "deadlock": Failure("/database/state/40P01", 503, "transaction-conflict", answered=RETRY),
    "shutting down": Failure("/database/state/57P01", 503, "service-unavailable", answered=RETRY),
}
CASES = [
    *[pytest.param(failure, id=name) for name, failure in FAILURES.items()],
    *[pytest.param(failure, id=name, marks=pytest.mark.postgres) for name, failure in ON_POSTGRES.items()],
]


@pytest.fixture(scope="module", params=["problem", "legacy"])
def server_of(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server for each shape of errors."""
    with served(tmp_path_factory.mktemp("failing"), request.param) as server:
        yield server


@pytest.fixture
def server(server_of: Served) -> Served:
    """The server, with the log of production."""
    server_of.write_down()
    return server_of


def ask(server: Served, failure: Failure, request_id: str) -> httpx2.Response:
    """Make the request, as a page of another origin."""
    headers = {"origin": ORIGIN, "x-request-id": request_id, **failure.headers}
    return server.api.request(failure.method, failure.path, content=failure.content, headers=headers)


def check_headers(headers: httpx2.Headers, request_id: str) -> None:
    """See that an answer has those of all layers."""
    assert headers["x-request-id"] == request_id
    assert headers["access-control-allow-origin"] == ORIGIN
    # Over HTTP there is no promise of HTTPS.
    assert {name: headers.get(name) for name in API_HEADERS if name != "Strict-Transport-Security"} == {
        name: text for name, text in API_HEADERS.items() if name != "Strict-Transport-Security"
    }


def check_log(server: Served, request_id: str, tracebacks: int) -> dict[str, Any]:
    """See that a request has that many tracebacks, and give its one access event."""
    lines = server.log_of(request_id, tracebacks)
    assert sum("exception" in line for line in lines) == tracebacks, lines
    (event,) = [line for line in lines if line["event"] == "request"]
    return event


@pytest.mark.parametrize("failure", CASES)
def test_every_failure(server: Served, failure: Failure, request: pytest.FixtureRequest) -> None:
    """Its status, one body, the headers of all layers, no word of exception or input, and a traceback of a fault."""
    if failure in ON_POSTGRES.values():
        server.app.state.postgres_url = request.getfixturevalue("postgres_url")
    request_id = uuid4().hex
    answer = ask(server, failure, request_id)
    body = answer.json()
    assert answer.status_code == failure.status
    if server.render == "problem":
        assert answer.headers["content-type"] == "application/problem+json"
        assert (body["status"], body["type"], body["request_id"]) == (failure.status, TYPES + failure.kind, request_id)
        assert body.keys() >= {"title", "detail"}
    else:
        assert answer.headers["content-type"] == "application/json"
        assert body.keys() >= {"error", "detail", "timestamp"}
    check_headers(answer.headers, request_id)
    assert {name: answer.headers.get(name) for name in failure.answered} == failure.answered
    assert SECRET not in answer.text
    assert INPUT not in answer.text
    event = check_log(server, request_id, failure.tracebacks)
    assert event["status_code"] == failure.status
    # A fault before the answer is told by the server, as what it is.
    texts = [line["event"] for line in server.log_of(request_id, failure.tracebacks) if "exception" in line]
    assert all(text.startswith("Exception in ASGI application") for text in texts), texts
    # A server closes the connection after a fault that it has logged, so the client is told not to use it again.
    assert (answer.headers.get("connection") == "close") is (failure.tracebacks > 0)
    assert event["outcome"] == ("error" if failure.status >= 500 else "ok")


@pytest.mark.parametrize("path", ["/background", "/after"])
def test_work_after_the_answer_does_not_change_it(server: Served, path: str) -> None:
    """It is whole, and the failure is in the log once, with the request's id."""
    request_id = uuid4().hex
    answer = ask(server, Failure(path, 200), request_id)
    assert (answer.status_code, answer.json()) == (200, "done")
    check_headers(answer.headers, request_id)
    check_log(server, request_id, 1)


def test_a_stream_that_fails_is_cut(server: Served) -> None:
    """It does not look complete, and the failure is in the log once."""
    request_id = uuid4().hex
    with pytest.raises(httpx2.RemoteProtocolError):
        ask(server, Failure("/stream", 200), request_id)
    assert check_log(server, request_id, 1)["outcome"] == "truncated"


REFUSED = {
    "problem": ("/before/problem", 404, 0),
    "group": ("/before/group", 404, 0),
    "unavailable": ("/before/unavailable", 503, 0),
    "failure": ("/before/failure", 500, 1),
    "invalid": (f"/rooms/{INPUT}", 422, 0),
    "middleware": ("/guard/forbidden", 403, 0),
    "failing middleware": ("/guard/fails", 500, 1),
    "own code": ("/before/own", 403, 0),
}


@pytest.mark.parametrize(("path", "status", "tracebacks"), REFUSED.values(), ids=REFUSED)
def test_a_websocket_that_is_refused(server: Served, path: str, status: int, tracebacks: int) -> None:
    """Before the handshake the answer is HTTP, like any other."""
    request_id = uuid4().hex
    with pytest.raises(websockets.exceptions.InvalidStatus) as caught:
        connect(f"ws://127.0.0.1:{server.port}{path}", additional_headers={"x-request-id": request_id})
    response = caught.value.response
    assert response.status_code == status
    assert not {SECRET, INPUT} & set((response.body or b"").decode().split())
    assert check_log(server, request_id, tracebacks)["status_code"] == status


CLOSED = {
    "problem": ("/late/problem", 1008, 0),
    "group": ("/late/group", 1008, 0),
    "large": ("/late/large", 1009, 0),
    "unavailable": ("/late/unavailable", 1013, 0),
    "failure": ("/late/failure", 1011, 1),
    "own code": ("/late/own", 4000, 0),
}


@pytest.mark.parametrize(("path", "code", "tracebacks"), CLOSED.values(), ids=CLOSED)
def test_a_websocket_that_is_closed(server: Served, path: str, code: int, tracebacks: int) -> None:
    """After the handshake a code tells whose fault it was, without a word but the app's own."""
    request_id = uuid4().hex
    address = f"ws://127.0.0.1:{server.port}{path}"
    with (
        connect(address, additional_headers={"x-request-id": request_id}) as websocket,
        pytest.raises(websockets.exceptions.ConnectionClosed) as caught,
    ):
        websocket.recv(timeout=10)
    assert caught.value.rcvd is not None
    assert (caught.value.rcvd.code, caught.value.rcvd.reason) == (code, "mine" if code == 4000 else "")
    assert check_log(server, request_id, tracebacks)["close_code"] == code


def test_a_client_that_leaves_is_no_failure(server: Served) -> None:
    """An endpoint that waits for its next message has nothing to answer for."""
    request_id = uuid4().hex
    with connect(f"ws://127.0.0.1:{server.port}/listens", additional_headers={"x-request-id": request_id}):
        pass
    assert check_log(server, request_id, 0)["outcome"] == "ok"
