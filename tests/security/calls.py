"""Driving an ASGI app by hand: what it sends, message by message."""

from collections.abc import Mapping
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send


async def drive(app: ASGIApp, **scope: Any) -> list[Message]:
    """Run one request and give what was sent."""
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Message) -> None:
        sent.append(message)

    full: Scope = {"type": "http", "method": "GET", "path": "/", "scheme": "http", "headers": [], **scope}
    await app(full, receive, send)
    return sent


def answering(headers: Mapping[str, str] | None = None, kind: str = "http") -> ASGIApp:
    """An app that answers 200 with these headers."""
    pairs = [(name.encode(), value.encode()) for name, value in (headers or {}).items()]

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        start = f"{kind}.response.start"
        await send({"type": start, "status": 200, "headers": pairs})
        await send({"type": f"{kind}.response.body", "body": b"a", "more_body": True})
        await send({"type": f"{kind}.response.body", "body": b"b"})

    return app


async def headers_of(app: ASGIApp, **scope: Any) -> dict[str, str]:
    """The headers of the answer to one request, each name once."""
    start = (await drive(app, **scope))[0]
    pairs = [(name.decode(), value.decode()) for name, value in start["headers"]]
    assert len(dict(pairs)) == len(pairs), pairs
    return dict(pairs)
