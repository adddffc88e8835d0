"""Apps that answer the same, each in its own way."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from fastapi import APIRouter, FastAPI, Response
from fastapi_cache import FastAPICache
from fastapi_cache.backends.inmemory import InMemoryBackend
from fastapi_cache.backends.redis import RedisBackend
from fastapi_cache.decorator import cache as fastapi_cache2
from pydantic import BaseModel
from redis.asyncio import Redis
from starlette.types import Receive, Scope, Send

from fastapi_kit.cache import Cache, CacheMiddleware, cached
from fastapi_kit.cache.redis import RedisCache
from fastapi_kit.idempotency import Idempotency
from fastapi_kit.lifespan import compose
from fastapi_kit.redis import RedisClient

TTL = 3_600


class Item(BaseModel):
    """A row."""

    id: int
    name: str
    price: float


ITEMS = [Item(id=number, name=f"item {number}", price=number / 4) for number in range(20)]

Endpoint = Callable[[], Awaitable[Any]]


async def items() -> list[Item]:
    """Twenty rows, rendered by FastAPI."""
    return ITEMS


def app_with(endpoint: Endpoint) -> FastAPI:
    """An app with one route."""
    app = FastAPI()
    app.get("/items", response_model=list[Item])(endpoint)
    return app


BODY = b"[" + b",".join(item.model_dump_json().encode() for item in ITEMS) + b"]"


def endpoint() -> FastAPI:
    """An app whose only endpoint answers with a dict and has no dependencies: what a machine is measured by."""
    app = FastAPI()

    @app.get("/items")
    async def read() -> dict[str, int | str]:
        return {"id": 7, "name": "thing"}

    return app


def ready() -> FastAPI:
    """An app that has the bytes: what is left is FastAPI's own work for a request."""

    async def endpoint() -> Response:
        return Response(BODY, media_type="application/json")

    return app_with(endpoint)


async def bare(scope: Scope, receive: Receive, send: Send) -> None:
    """No framework: what is left is the work of the one who calls."""
    if scope["type"] == "lifespan":
        for phase in ("startup", "shutdown"):
            await receive()
            await send({"type": f"lifespan.{phase}.complete"})
        return
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"application/json")]})
    await send({"type": "http.response.body", "body": BODY})


def ours(redis_url: str | None, prefix: str) -> FastAPI:
    """The kit's cache, in memory or on Redis."""
    redis = RedisClient(redis_url) if redis_url else None
    cache = Cache(RedisCache(redis, prefix=prefix) if redis else None)
    app = FastAPI(lifespan=compose(*([redis.lifespan] if redis else []), cache.lifespan))
    app.add_middleware(CacheMiddleware, cache=cache)
    app.get("/items", response_model=list[Item])(cached(TTL, scope="public")(items))
    app.get("/mine", response_model=list[Item])(cached(TTL, tags=["item"])(items))
    return app


def theirs(redis_url: str | None, prefix: str) -> FastAPI:
    """fastapi-cache2; its set-up is one for the process, so one such app runs at a time."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncGenerator[None]:
        redis: Any = Redis.from_url(redis_url) if redis_url else None  # pyright: ignore[reportUnknownMemberType]
        FastAPICache.init(RedisBackend(redis) if redis else InMemoryBackend(), prefix=prefix)
        yield
        FastAPICache.reset()
        if redis is not None:
            await redis.aclose()

    app = FastAPI(lifespan=lifespan)
    app.get("/items", response_model=list[Item])(fastapi_cache2(expire=TTL)(items))
    return app


def posts(idempotency: Idempotency | None) -> FastAPI:
    """An app with a POST route that makes nothing."""
    app = FastAPI()
    router = APIRouter(route_class=idempotency.route_class) if idempotency else APIRouter()

    @router.post("/items", status_code=201)
    async def make(item: Item) -> Item:
        return item

    app.include_router(router)
    return app
