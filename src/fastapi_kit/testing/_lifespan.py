"""An app's life as a server leads it: through all of its layers, by the messages of ASGI's lifespan protocol."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any, Literal

from starlette.types import ASGIApp, Message


@asynccontextmanager
async def started(app: ASGIApp) -> AsyncGenerator[dict[str, Any]]:
    """Start `app`, give the state that its requests share, and shut it down at the end.

    Start-up and shutdown are of one task, as what they open may ask for.

    Raises:
        Exception: What the app's start-up or shutdown raises.
        RuntimeError: The app said that one of them failed, and did not raise.
    """
    state: dict[str, Any] = {}
    to_app: asyncio.Queue[Message] = asyncio.Queue()
    from_app: asyncio.Queue[Message] = asyncio.Queue()
    scope = {"type": "lifespan", "asgi": {"version": "3.0", "spec_version": "2.0"}, "state": state}
    life = asyncio.ensure_future(app(scope, to_app.get, from_app.put))
    life.add_done_callback(lambda _: from_app.put_nowait({"type": "ended", "message": "the app ended by itself"}))

    async def tell(what: Literal["startup", "shutdown"]) -> None:
        to_app.put_nowait({"type": f"lifespan.{what}"})
        answer = await from_app.get()
        if answer["type"] != f"lifespan.{what}.complete":
            await life
            raise RuntimeError(f"{what} failed: {answer.get('message', '')}")

    try:
        await tell("startup")
        try:
            yield state
        finally:
            await tell("shutdown")
            await life
    finally:
        life.cancel()  # where the test was cancelled meanwhile
