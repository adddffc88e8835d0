"""`create_app`: the parts of the kit put together, as a user could put them together.

The layers of a request, from outside in: request context (id, access log) → trusted hosts → CORS → GZip → draining →
error boundary → routes, with an index in front. Errors are answered inside CORS and the request context, so they carry
the headers of both.
"""

from collections.abc import AsyncGenerator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import Any

from fastapi import APIRouter, FastAPI
from fastapi.middleware.cors import CORSMiddleware
from fastapi.middleware.gzip import GZipMiddleware
from fastapi.middleware.trustedhost import TrustedHostMiddleware

from fastapi_kit._route_index import index_routes
from fastapi_kit._serving import ServerOptions, run
from fastapi_kit.db import Database
from fastapi_kit.errors import install
from fastapi_kit.health import Check, DrainingMiddleware, Shutdown, health_router
from fastapi_kit.lifespan import Resource, compose
from fastapi_kit.logs import RequestContextMiddleware, configure
from fastapi_kit.settings import Settings

__all__ = ["ServerOptions", "create_app", "index_routes", "run"]

_COMPRESSED_FROM = 1_000
"""Bytes from which an answer is worth compressing: below that it fits into one packet anyway."""


def create_app(
    settings: Settings,
    *,
    database: Database | None = None,
    routers: Iterable[APIRouter] = (),
    resources: Sequence[Resource] = (),
    checks: Sequence[Check] = (),
    **options: Any,
) -> FastAPI:
    """Make an app with logs, errors in one shape, health routes, CORS, compression and a database.

    At start-up its routes are indexed, see `index_routes`.

    Args:
        settings: What the environment says: log level, CORS origins, trusted hosts, whether the docs are public, how
            long the app drains.
        database: The app's database; opened and closed with it, and asked by `/ready`.
        routers: Included in this order.
        resources: Further resources of the lifespan, opened after the database.
        checks: Further checks of `/ready`.
        options: Arguments of `FastAPI`, such as `title` and `version`; `servers` is the one that serves the document,
            if they do not say otherwise.

    Raises:
        SessionScopeError: At start-up, if a route would use its session beyond its end.
    """
    configure(settings.log_level, format="json" if settings.environment == "production" else "auto")
    if database is not None:
        resources = [database.lifespan, *resources]
        checks = [Check("database", database.ping), *checks]
    options = {"servers": [{"url": "/"}], **options}
    if not settings.public_docs:
        options = {"openapi_url": None, **options}
    app = FastAPI(lifespan=compose(*resources, _route_index, Shutdown(settings.drain_seconds).lifespan), **options)
    _add_layers(app, settings)
    _declare_public_operations(app)
    app.include_router(health_router(checks))
    for router in routers:
        app.include_router(router)
    return app


@asynccontextmanager
async def _route_index(app: FastAPI) -> AsyncGenerator[None]:
    """The last resource: by now all routes are there."""
    index_routes(app)
    yield


def _add_layers(app: FastAPI, settings: Settings) -> None:
    """Each layer goes around those before it."""
    install(app)
    app.add_middleware(DrainingMiddleware)
    app.add_middleware(GZipMiddleware, minimum_size=_COMPRESSED_FROM)
    if settings.cors_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=settings.cors_origins,
            allow_credentials=settings.cors_credentials,
            allow_methods=["*"],
            allow_headers=["*"],
            expose_headers=["Location", "Retry-After", "X-Request-ID"],
        )
    if settings.trusted_hosts:
        app.add_middleware(TrustedHostMiddleware, allowed_hosts=list(settings.trusted_hosts))
    app.add_middleware(RequestContextMiddleware)


def _declare_public_operations(app: FastAPI) -> None:
    """Say `security: []` of operations that need no credentials: it means the same as nothing, and is no oversight."""
    generate: Callable[[], dict[str, Any]] = app.openapi

    def openapi() -> dict[str, Any]:
        document = generate()
        if "security" not in document:
            for item in document.get("paths", {}).values():
                for operation in item.values():
                    operation.setdefault("security", [])
        return document

    app.openapi = openapi  # type: ignore[method-assign] # the documented way to extend it
