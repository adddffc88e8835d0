"""An HTTP client for an app in the same process and event loop, with the app's lifespan around it."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from fastapi import FastAPI
from starlette.types import Receive, Scope, Send

from fastapi_kit.testing._lifespan import started

try:
    import httpx2
except ModuleNotFoundError as error:
    raise ImportError("fastapi_kit.testing needs httpx2: pip install 'fastapi-kit[testing]'") from error


@asynccontextmanager
async def client(
    app: FastAPI, *, base_url: str = "http://test", raise_app_exceptions: bool = False
) -> AsyncGenerator[httpx2.AsyncClient]:
    """Start `app`, give a client for it, and shut the app down at the end.

    The app runs in the caller's event loop, so a test can share its database connection and its clock. Redirects are
    not followed.

        async with client(app) as api:
            assert (await api.get("/health")).status_code == 200

    Args:
        app: The app; its lifespan is run through its layers, as a server does, and what it yields is in
            `request.state`.
        base_url: What relative URLs are relative to; its host is the `Host` header.
        raise_app_exceptions: Raise what the app could not handle in the test, in place of the 500 that a client gets.

    Raises:
        Exception: What the app's start-up or shutdown raises.
    """
    async with started(app) as state:

        async def served(scope: Scope, receive: Receive, send: Send) -> None:
            await app({**scope, "state": dict(state)}, receive, send)

        transport = httpx2.ASGITransport(app=served, raise_app_exceptions=raise_app_exceptions)
        async with httpx2.AsyncClient(transport=transport, base_url=base_url) as api:
            yield api
