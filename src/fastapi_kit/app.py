"""`create_app`: the parts of the kit put together, as a user could put them together.

The layers of a request, from outside in: trusted proxies → request context (id, access log) → security headers → CORS →
GZip → draining → body limit → error boundary → trusted hosts → rate limits → cache → routes, with an index in front.
Errors are answered inside of all that adds headers, so they carry them.
"""

from collections.abc import AsyncGenerator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from fastapi import APIRouter, FastAPI

from fastapi_kit._credentials import declare_credentials
from fastapi_kit._route_index import index_routes
from fastapi_kit._serving import ServerOptions, run
from fastapi_kit.cache import Cache, CacheMiddleware
from fastapi_kit.compression import GZipMiddleware
from fastapi_kit.concurrency import AfterResponseRunner
from fastapi_kit.db import TRANSLATIONS, Database
from fastapi_kit.errors import Answers, install
from fastapi_kit.health import Check, DrainingMiddleware, HealthOptions, Shutdown, health_router
from fastapi_kit.lifespan import Resource, compose
from fastapi_kit.logs import RequestContextMiddleware, configure
from fastapi_kit.ratelimit import LimitStore, MemoryStore, RateLimit
from fastapi_kit.ratelimit import install as install_limits
from fastapi_kit.security import (
    API_HEADERS,
    CORS,
    CORSMiddleware,
    SecurityHeadersMiddleware,
    TrustedHostsMiddleware,
    TrustedProxiesMiddleware,
    protect_docs,
)
from fastapi_kit.settings import Settings

if TYPE_CHECKING:  # they need extras
    from fastapi_kit.auth import Auth
    from fastapi_kit.metrics import Metrics
    from fastapi_kit.redis import RedisClient

__all__ = ["ServerOptions", "create_app", "index_routes", "run"]

_LARGEST_BODY = 1_048_576
"""Bytes of a request's body at most, where neither the app nor the route says otherwise."""


def create_app(  # noqa: PLR0913, C901 - the parts, each by its name, and one `if` for each
    settings: Settings,
    *,
    database: Database | None = None,
    routers: Iterable[APIRouter] = (),
    resources: Sequence[Resource] = (),
    checks: Sequence[Check] = (),
    headers: Mapping[str, str] = API_HEADERS,
    metrics: "Metrics | None" = None,
    errors: Answers | None = None,
    health: HealthOptions | None = None,
    auth: "Auth[Any] | None" = None,
    redis: "RedisClient | None" = None,
    limits: Mapping[str, RateLimit | None] | None = None,
    cache: Cache | None = None,
    **options: Any,
) -> FastAPI:
    """Make an app with logs, errors in one shape, health routes, security headers, CORS, compression and a database.

    Functions that requests leave to `AfterResponse` are called, and waited for at shutdown before the resources close.
    At start-up its routes are indexed, see `index_routes`. Middleware given as `middleware=` is inside all layers but
    the limits, so what it raises is answered as a route's error is; `app.add_middleware` puts it outside of all.

    Args:
        settings: What the environment says: log level, what is slow, CORS origins, trusted hosts and proxies, whether
            the docs are public, how long the app drains.
        database: The app's database; opened and closed with it, and asked by `/ready`.
        routers: Included in this order.
        resources: Further resources of the lifespan, opened after the database.
        checks: Further checks of `/ready`.
        headers: What answers tell browsers, as `SecurityHeadersMiddleware` takes it.
        health: Form of the answers of `/health` and `/ready`, and who may see the details.
        metrics: What counts and times requests, watches the database's pool, and is served as `/metrics`.
        errors: How errors are answered, as `install` does by default. What the database's errors mean is known without
            a translation.
        auth: How users come in; its routes are included before all others. Several workers have to share its stores.
        redis: The app's Redis; opened and closed with it, and asked by `/ready`, which its loss degrades.
        limits: The limits of routes, as `ratelimit.install` takes them; an empty mapping for `RateLimit` dependencies
            alone. They count on `redis` for all workers together; without it, each worker lets its share pass.
        cache: What `cached` endpoints keep their answers in.
        options: Arguments of `FastAPI`, such as `title` and `version`. If they do not say otherwise, `servers` is the
            one that serves the document, and `max_body_size` is 1 MiB.

    Raises:
        ValueError: The settings name an origin, a host or a proxy that is unsafe or none.
        UnmatchedLimitError: At start-up, if a limit is for no route.
        UnsharedStoreError: Several workers would each keep users or sessions to themselves.
        SessionScopeError: At start-up, if a route would use its session beyond its end.
    """
    configure(settings.log_level, format="json" if settings.environment == "production" else "auto")
    if database is not None:
        resources = [database.lifespan, *resources]
        checks = [Check("database", database.ping), *checks]
        if settings.slow_query_seconds:
            database.log_slow_queries(settings.slow_query_seconds)
    if redis is not None:
        resources = [redis.lifespan, *resources]
        checks = [*checks, Check("redis", redis.ping, critical=False)]
    if cache is not None:
        resources = [*resources, cache.lifespan]
    if auth is not None:
        auth.check_workers(settings.workers)
        resources = [*resources, auth.lifespan]
    if metrics is not None:
        resources = [*resources, metrics.lifespan]
        if database is not None:
            metrics.watch_pool("database", database.pool_usage)
    options = {"servers": [{"url": "/"}], **options}
    if not settings.public_docs:
        options = {"openapi_url": None, **options}
    largest_body = options.pop("max_body_size", _LARGEST_BODY)
    last = (AfterResponseRunner().lifespan, _route_index, Shutdown(settings.drain_seconds).lifespan)
    app = FastAPI(lifespan=compose(*resources, *last), **options)
    app.max_body_size = largest_body  # as an option it would be put around each route as well
    declare_credentials(app)
    errors = errors or Answers()
    if cache is not None:
        app.add_middleware(CacheMiddleware, cache=cache)
    if limits is not None:
        _add_limits(app, limits, redis, settings.workers, errors)
    _add_layers(app, settings, headers, metrics, errors)
    protect_docs(app)
    health = health or HealthOptions()
    own = [
        health_router(checks, render=health.render, details=health.details),
        *([metrics.router()] if metrics is not None else ()),
        *([auth.router()] if auth is not None else ()),
    ]
    for router in (*own, *routers):
        app.include_router(router)
    return app


@asynccontextmanager
async def _route_index(app: FastAPI) -> AsyncGenerator[None]:
    """The last that may add routes has done so."""
    index_routes(app)
    yield


def _add_limits(
    app: FastAPI, limits: Mapping[str, RateLimit | None], redis: "RedisClient | None", workers: int, errors: Answers
) -> None:
    store: LimitStore = MemoryStore(workers=workers)
    if redis is not None:
        from fastapi_kit.ratelimit.redis import RedisStore  # noqa: PLC0415 - needs the extra

        store = RedisStore(redis, workers=workers)
    install_limits(app, limits, store=store, answers=errors)


def _add_layers(
    app: FastAPI, settings: Settings, headers: Mapping[str, str], metrics: "Metrics | None", errors: Answers
) -> None:
    """Each layer goes around those before it."""
    probes = ("/health", "/ready", *([metrics.path] if metrics else ()))
    if settings.trusted_hosts:
        app.add_middleware(TrustedHostsMiddleware, hosts=settings.trusted_hosts, probes=probes)
    install(
        app,
        errors.render,
        errors.max_errors,
        translate={**TRANSLATIONS, **errors.translate},
        type_base=errors.type_base,
        clock=errors.clock,
    )
    app.add_middleware(DrainingMiddleware)
    app.add_middleware(GZipMiddleware)
    if settings.cors_origins:
        cors = CORS(origins=settings.cors_origins, credentials=settings.cors_credentials)
        app.add_middleware(CORSMiddleware, policy=cors)
    app.add_middleware(SecurityHeadersMiddleware, headers=headers)
    app.add_middleware(
        RequestContextMiddleware,
        quiet=("/health/*", *probes),
        slow=settings.slow_request_seconds or None,
        observers=[metrics] if metrics else (),
    )
    if settings.trusted_proxies:
        app.add_middleware(TrustedProxiesMiddleware, networks=settings.trusted_proxies)
