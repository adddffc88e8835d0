"""Apps with one endpoint that answers the same, under a limit that is never reached."""

from collections.abc import Callable, Sequence
from typing import Any

from fastapi import Depends, FastAPI, Request, Response
from slowapi import Limiter, _rate_limit_exceeded_handler  # pyright: ignore[reportPrivateUsage] -- as it documents
from slowapi.errors import RateLimitExceeded
from slowapi.middleware import SlowAPIASGIMiddleware, SlowAPIMiddleware
from slowapi.util import get_remote_address

from fastapi_kit.lifespan import compose
from fastapi_kit.ratelimit import LimitStore, MemoryStore, RateLimit, install
from fastapi_kit.ratelimit.redis import RedisStore
from fastapi_kit.ratelimit.slowapi import Limiter as Adapter
from fastapi_kit.redis import RedisClient

RULES = "1000000/hour"


async def hello() -> Response:
    """An answer that is ready: what is left is FastAPI's own work for a request."""
    return Response(b'"hello"', media_type="application/json")


async def hello_to(request: Request) -> Response:  # noqa: ARG001 - slowapi asks for it
    """The same, as slowapi decorates it."""
    return await hello()


def app_with(endpoint: Callable[..., Any] = hello, dependencies: Sequence[Any] = (), **options: Any) -> FastAPI:
    """An app with this endpoint."""
    app = FastAPI(**options)
    app.get("/hello", dependencies=list(dependencies))(endpoint)
    return app


async def nothing() -> None:
    """A dependency that does nothing: what is left is FastAPI's own work for one."""


def ours(redis_url: str | None, prefix: str, *, as_dependency: bool) -> FastAPI:
    """The kit's limit, declared at the route or by a policy."""
    limit = RateLimit(RULES)
    redis = RedisClient(redis_url) if redis_url else None
    store: LimitStore = RedisStore(redis, prefix=prefix) if redis else MemoryStore()
    app = app_with(
        dependencies=[Depends(limit)] if as_dependency else (),
        lifespan=compose(*([redis.lifespan] if redis else [])),
    )
    install(app, None if as_dependency else {"/hello": limit}, store=store)
    return app


def adapted(redis_url: str | None, prefix: str) -> FastAPI:
    """Slowapi's decorator, from the kit."""
    limiter = Adapter(get_remote_address, headers_enabled=True, storage_uri=redis_url, key_prefix=prefix)
    app = app_with(limiter.limit(RULES)(hello_to), lifespan=compose(limiter.lifespan))
    app.state.limiter = limiter
    return app


def slowapi(redis_url: str | None, prefix: str, layer: str | None = None) -> FastAPI:
    """Slowapi's decorator, or one of its middlewares with a default limit."""
    limiter = Limiter(
        get_remote_address,
        default_limits=[RULES] if layer else [],
        headers_enabled=True,
        storage_uri=redis_url,
        key_prefix=prefix,
    )
    decorate: Any = limiter.limit(RULES)  # pyright: ignore[reportUnknownVariableType, reportUnknownMemberType]
    app = app_with(hello if layer else decorate(hello_to))
    app.state.limiter = limiter
    app.add_exception_handler(RateLimitExceeded, _rate_limit_exceeded_handler)  # type: ignore[arg-type] # as it documents
    if layer:
        app.add_middleware(SlowAPIASGIMiddleware if layer == "asgi" else SlowAPIMiddleware)
    return app
