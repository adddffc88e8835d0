"""One process of a service: `python -m tests.metrics.worker` prints its port and serves until it is killed."""

import asyncio
import socket

import uvicorn
from fastapi import APIRouter

from fastapi_kit.app import create_app
from fastapi_kit.db import Database
from fastapi_kit.metrics import Metrics
from fastapi_kit.settings import Settings

router = APIRouter()


@router.get("/items/{item}")
async def item(item: int) -> int:
    """Answer at once."""
    return item


@router.get("/hangs")
async def hangs() -> None:
    """Answer never."""
    await asyncio.Event().wait()


if __name__ == "__main__":
    app = create_app(
        Settings(log_level="critical"), database=Database("sqlite://"), metrics=Metrics(), routers=[router]
    )
    with socket.create_server(("127.0.0.1", 0)) as listener:
        print(listener.getsockname()[1], flush=True)  # noqa: T201 - for whoever started it
        uvicorn.Server(uvicorn.Config(app, log_config=None, access_log=False)).run(sockets=[listener])
