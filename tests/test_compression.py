"""The kit's compression does what Starlette's does, and lets small answers pass as they come."""

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.middleware.gzip import GZipMiddleware as StarletteGZipMiddleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from fastapi_kit.compression import GZipMiddleware
from tests.security.calls import drive

pytestmark = pytest.mark.anyio

MINIMUM = 20

parts_of_bodies = st.sampled_from([b"", b"a", b"b" * (MINIMUM - 1), b"c" * MINIMUM, b"d" * 200])
headers = st.fixed_dictionaries(
    {},
    optional={
        b"content-type": st.sampled_from([b"application/json", b"text/event-stream", b"image/png"]),
        b"content-encoding": st.just(b"br"),
        b"vary": st.just(b"Origin"),
    },
)


def answering(status: int, headers: dict[bytes, bytes], parts: list[bytes]) -> ASGIApp:
    """An app that sends a hint, an answer and its body in these parts, with its length if there is one part."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.early_hint", "links": []})
        length = {b"content-length": b"%d" % len(parts[0])} if len(parts) == 1 else {}
        await send({"type": "http.response.start", "status": status, "headers": [*headers.items(), *length.items()]})
        for number, part in enumerate(parts, 1):
            await send({"type": "http.response.body", "body": part, "more_body": number < len(parts)})

    return app


def normal(sent: list[Message]) -> list[Message]:
    """The messages, with headers in one order."""
    start = next(message for message in sent if message["type"] == "http.response.start")
    start["headers"] = sorted((name.lower(), value) for name, value in start["headers"])
    return sent


@settings(max_examples=300, deadline=None)
@given(
    status=st.sampled_from([200, 206, 304]),
    headers=headers,
    parts=st.lists(parts_of_bodies, min_size=1, max_size=3),
    accepts=st.sampled_from([None, b"gzip, br", b"br", b"identity"]),
)
def test_it_does_what_starlettes_does(
    status: int, headers: dict[bytes, bytes], parts: list[bytes], accepts: bytes | None
) -> None:
    """Law: the same messages, whatever their sizes, types and number."""
    asked = [] if accepts is None else [(b"accept-encoding", accepts)]
    ours, theirs = (
        normal(asyncio.run(drive(layer, headers=asked)))
        for layer in (
            GZipMiddleware(answering(status, headers, parts), minimum_size=MINIMUM),
            StarletteGZipMiddleware(answering(status, headers, parts), minimum_size=MINIMUM),
        )
    )
    assert ours == theirs


async def test_a_small_answer_starts_at_once() -> None:
    """Its start is not held back until there is a body."""
    sent: list[Message] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
        assert [message["type"] for message in sent] == ["http.response.start"]
        await send({"type": "http.response.body", "body": b"ok"})

    async def send(message: Message) -> None:
        sent.append(message)

    async def receive() -> Message:
        return {"type": "http.disconnect"}

    await GZipMiddleware(app)({"type": "http", "headers": []}, receive, send)
    assert sent[1]["body"] == b"ok"


@pytest.mark.parametrize("kind", ["websocket", "lifespan"])
async def test_what_is_no_http_request_passes(kind: str) -> None:
    """There is nothing to compress."""
    seen: list[str] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(scope["type"])

    await drive(GZipMiddleware(app), type=kind)
    assert seen == [kind]
