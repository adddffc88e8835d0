"""The boundary, message by message."""

import json
from collections.abc import Sequence
from typing import Any

import pytest
from starlette.exceptions import HTTPException, WebSocketException
from starlette.requests import ClientDisconnect
from starlette.types import Message, Receive, Scope, Send
from starlette.websockets import WebSocketDisconnect

from fastapi_kit.errors import ErrorBoundaryMiddleware, NotFoundError, Problem, ServiceUnavailableError

pytestmark = pytest.mark.anyio


def start(status: int = 200, content_type: bytes = b"text/plain; charset=utf-8") -> Message:
    """The start of a response."""
    return {"type": "http.response.start", "status": status, "headers": [(b"content-type", content_type)]}


def body(content: bytes, *, more: bool = False) -> Message:
    """A part of a response's body."""
    return {"type": "http.response.body", "body": content, "more_body": more}


async def run(
    *script: Message | Exception, kind: str = "http", method: str = "GET", **more: Any
) -> tuple[list[Message], Exception | None]:
    """What gets out of a boundary around an application that sends and raises by script."""
    sent: list[Message] = []
    raised: Exception | None = None

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        for step in script:
            if isinstance(step, Exception):
                raise step
            await send(step)

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Message) -> None:
        sent.append(message)

    scope: Scope = {"type": kind, "method": method, "path": "/", "headers": [], **more}
    try:
        await ErrorBoundaryMiddleware(app)(scope, receive, send)
    except Exception as exc:  # noqa: BLE001 - it is what the test is about
        raised = exc
    return sent, raised


def problem(sent: Sequence[Message]) -> tuple[int, str]:
    """Status and title of the one problem that was sent, whole and alone."""
    begin, end = sent
    assert begin["type"] == "http.response.start"
    assert dict(begin["headers"])[b"content-type"] == b"application/problem+json"
    assert end["type"] == "http.response.body"
    assert not end.get("more_body")
    return begin["status"], json.loads(end["body"])["title"]


async def test_answer_passes_unchanged() -> None:
    """What succeeds goes through message by message."""
    script = [start(), body(b"a", more=True), body(b"b")]
    assert await run(*script) == (script, None)


async def test_unhandled_exception_is_answered_and_raised_again() -> None:
    """The answer is complete before the exception goes on."""
    error = RuntimeError("hidden")
    sent, raised = await run(error)
    assert problem(sent) == (500, "Internal Server Error")
    assert raised is error


@pytest.mark.parametrize("error", [NotFoundError(), HTTPException(404)], ids=["problem", "http exception"])
async def test_exception_for_clients_is_answered_and_ends(error: Exception) -> None:
    """What is meant for the client is not an incident."""
    sent, raised = await run(error)
    assert problem(sent) == (404, "Not Found")
    assert raised is None


async def test_head_is_answered_without_a_body() -> None:
    """The start is that of a GET, its length included; the body is not sent."""
    (start_of_get, body_of_get), _ = await run(NotFoundError())
    (start_of_head, body_of_head), _ = await run(NotFoundError(), method="HEAD")
    assert start_of_head == start_of_get
    assert dict(start_of_head["headers"])[b"content-length"] == str(len(body_of_get["body"])).encode()
    assert body_of_head["body"] == b""


@pytest.mark.parametrize("error", [RuntimeError("hidden"), NotFoundError()], ids=["unhandled", "for clients"])
async def test_nothing_is_added_to_a_started_answer(error: Exception) -> None:
    """After the start an exception is only raised, so the server cuts the connection."""
    script = [start(), body(b"a", more=True)]
    assert await run(*script, error) == (script, error)


@pytest.mark.parametrize("error", [RuntimeError("hidden"), NotFoundError()], ids=["unhandled", "for clients"])
async def test_what_fails_after_a_complete_answer_is_logged_and_ends(
    error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    """Once, with its traceback; the server would close a connection that the client goes on to use."""
    script = [start(), body(b"a", more=True), body(b"b")]
    assert await run(*script, error) == (script, None)
    (record,) = caplog.records
    assert record.getMessage() == "Failed after the response"
    assert record.exc_info is not None
    assert record.exc_info[1] is error


@pytest.mark.parametrize(
    "script",
    [
        [start(413), body(b"Content Too Large")],
        [start(413), body(b"Content Too Large", more=True), body(b"")],
    ],
    ids=["at once", "in parts"],
)
async def test_text_of_a_body_limit_becomes_the_problem(script: list[Message]) -> None:
    """Starlette's own 413 is replaced once."""
    sent, raised = await run(*script)
    assert problem(sent[:2]) == (413, "Content Too Large")
    assert raised is None


@pytest.mark.parametrize(
    "script",
    [
        [start(413), body(b"Five megabytes are enough.", more=True), body(b"")],
        [start(413, b"text/html"), body(b"Content Too Large")],
        [start(200), body(b"Content Too Large")],
    ],
    ids=["other text", "other type", "other status"],
)
async def test_other_answers_that_look_alike_stay(script: list[Message]) -> None:
    """A 413 of the application's own is its own."""
    assert await run(*script) == (script, None)


async def test_exception_right_after_a_held_start_is_answered() -> None:
    """A start that is still held back was not sent, so there is room for the answer."""
    sent, raised = await run(start(413), RuntimeError("hidden"))
    assert problem(sent) == (500, "Internal Server Error")
    assert isinstance(raised, RuntimeError)


async def test_a_websocket_is_refused_before_its_handshake() -> None:
    """With what is meant for clients, as HTTP where the server can, else by a close."""
    sent, raised = await run(NotFoundError(), kind="websocket", extensions={"websocket.http.response": {}})
    assert [message["type"] for message in sent] == ["websocket.http.response.start", "websocket.http.response.body"]
    assert (sent[0]["status"], json.loads(sent[1]["body"])["title"], raised) == (404, "Not Found", None)
    closed: Message = {"type": "websocket.close", "code": 1008, "reason": ""}
    assert await run(NotFoundError(), kind="websocket") == ([closed], None)


ACCEPT: Message = {"type": "websocket.accept"}


def closed(code: int, reason: str = "") -> Message:
    """The end of a websocket."""
    return {"type": "websocket.close", "code": code, "reason": reason}


@pytest.mark.parametrize(
    ("error", "code", "raised"),
    [
        (NotFoundError("hidden"), 1008, False),
        (HTTPException(413), 1009, False),
        (ServiceUnavailableError("hidden", retry_after=1), 1013, False),
        (Problem("hidden", status=502), 1011, False),
        (RuntimeError("hidden"), 1011, True),
        (ExceptionGroup("hidden", [NotFoundError(), NotFoundError()]), 1008, False),
    ],
    ids=["404", "413", "503", "502", "failure", "group"],
)
async def test_an_accepted_websocket_is_closed_by_the_code_of_its_error(
    error: Exception, code: int, *, raised: bool
) -> None:
    """Without a word of it; what nobody knows the server sees, too."""
    assert await run(ACCEPT, error, kind="websocket") == ([ACCEPT, closed(code)], error if raised else None)


async def test_a_close_of_ones_own_is_kept() -> None:
    """`WebSocketException` says how, in middleware as in endpoints, and a closed one is left alone."""
    own = WebSocketException(4000, "mine")
    assert await run(ACCEPT, own, kind="websocket") == ([ACCEPT, closed(4000, "mine")], None)
    over = [ACCEPT, closed(1000)]
    assert await run(*over, NotFoundError(), kind="websocket") == (over, None)


async def test_a_failed_websocket_gets_a_500_where_the_server_can_send_it() -> None:
    """A close in place of the handshake would be a 403, so elsewhere the server tells."""
    error = RuntimeError("hidden")
    sent, raised = await run(error, kind="websocket", extensions={"websocket.http.response": {}})
    assert (sent[0]["status"], json.loads(sent[1]["body"])["status"], raised) == (500, 500, error)
    assert await run(error, kind="websocket") == ([], error)


@pytest.mark.parametrize(
    ("kind", "error"), [("http", ClientDisconnect()), ("websocket", WebSocketDisconnect())], ids=["http", "websocket"]
)
async def test_a_client_that_has_left_is_no_failure(kind: str, error: Exception) -> None:
    """There is nobody to answer, and nothing for the server to log."""
    assert await run(error, kind=kind) == ([], None)


async def test_what_is_not_for_clients_passes() -> None:
    """A failed start-up is not answered."""
    error = NotFoundError()
    assert await run(error, kind="lifespan") == ([], error)


async def test_a_known_failure_of_the_server_is_logged_by_its_cause(caplog: pytest.LogCaptureFixture) -> None:
    """The class alone: a traceback for each of many requests would say no more."""
    error = ServiceUnavailableError()
    error.__cause__ = ConnectionRefusedError("postgresql://admin:hunter2@db")
    sent, raised = await run(error)
    assert (problem(sent)[0], raised) == (503, None)
    assert [record.getMessage() for record in caplog.records] == ["answered 503 because of ConnectionRefusedError"]
    assert caplog.records[0].exc_info is None
