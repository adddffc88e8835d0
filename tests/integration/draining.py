"""An app whose end is watched: quick answers, a slow one, and streams."""

import asyncio
import os
from collections.abc import AsyncIterator

from fastapi import APIRouter
from fastapi.sse import EventSourceResponse

from fastapi_kit.app import create_app, run
from fastapi_kit.health import ShutdownDep
from fastapi_kit.settings import Settings

router = APIRouter()


@router.get("/quick")
async def quick() -> int:
    """The process that answers."""
    return os.getpid()


@router.get("/slow")
async def slow() -> str:
    """An answer that takes a moment."""
    await asyncio.sleep(0.5)
    return "done"


@router.get("/events", response_class=EventSourceResponse)
async def events(shutdown: ShutdownDep) -> AsyncIterator[str]:
    """One event, and then nothing until the end."""
    async for event in shutdown.until(_events()):
        yield event


async def _events() -> AsyncIterator[str]:
    yield "first"
    await asyncio.Event().wait()


app = create_app(Settings(), routers=[router])


if __name__ == "__main__":
    run("tests.integration.draining:app", Settings())
