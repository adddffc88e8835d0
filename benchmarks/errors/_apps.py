"""An app whose requests fail, in each way that costs differently."""

import contextlib

from fastapi import FastAPI, HTTPException
from starlette.types import ASGIApp, Receive, Scope, Send

from fastapi_kit.errors import install


class Fault(Exception):  # noqa: N818 - its name is not shown
    """What no handler knows."""


class Caught:
    """Takes what an app raises once it has answered, as a server does; it formats nothing."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Run the app."""
        with contextlib.suppress(Fault):
            await self.app(scope, receive, send)


def make_app(*, installed: bool) -> ASGIApp:
    """An app that fails."""
    app = FastAPI()

    @app.get("/failure")
    async def failure() -> None:
        raise Fault

    @app.get("/exception")
    async def exception() -> None:
        raise HTTPException(409, "Not now.")

    @app.get("/validation")
    async def validation(number: int) -> int:
        return number

    if installed:
        install(app)
    return Caught(app)
