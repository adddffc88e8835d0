"""`create_app` with limits, a cache and idempotency keys: in this process, and on Redis."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from pathlib import Path

import pytest
from fastapi import APIRouter, Depends, FastAPI
from fastapi.testclient import TestClient
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from fastapi_kit.app import create_app
from fastapi_kit.cache import Cache, MemoryCache, cached
from fastapi_kit.cache.redis import RedisCache
from fastapi_kit.crud import CRUDRouter, OverrideContext
from fastapi_kit.db import Database
from fastapi_kit.idempotency import Idempotency, MemoryIdempotency
from fastapi_kit.idempotency.redis import RedisIdempotency
from fastapi_kit.ratelimit import RateLimit, UnmatchedLimitError
from fastapi_kit.redis import RedisClient
from fastapi_kit.settings import Settings
from fastapi_kit.testing import client
from tests.redis_server import redis_server

pytestmark = pytest.mark.anyio

ORIGIN = {"origin": "https://front.example"}


class Models(DeclarativeBase):
    """A registry for these tests alone."""


class Book(Models):
    """A row."""

    __tablename__ = "shared_book"
    id: Mapped[int] = mapped_column(primary_key=True)
    title: Mapped[str]


@pytest.fixture
def settings() -> Settings:
    """What a browser application's API is set to."""
    return Settings(cors_origins=("https://front.example",), log_level="critical", workers=2)


@pytest.fixture(params=["memory", pytest.param("redis", marks=pytest.mark.redis)])
async def redis(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncGenerator[RedisClient | None]:
    """A client of an empty server, or none."""
    if request.param == "memory":
        yield None
        return
    with redis_server(tmp_path) as server:
        yield RedisClient(server.url)


Make = Callable[..., FastAPI]


@pytest.fixture
async def make(database: Database, settings: Settings, redis: RedisClient | None) -> Make:
    """Makes the app: cached books that are made once for each key, with the limits that are given."""
    async with database.engine.begin() as connection:
        await connection.run_sync(Models.metadata.create_all)
    cache = Cache(MemoryCache() if redis is None else RedisCache(redis))
    idempotency = Idempotency(MemoryIdempotency() if redis is None else RedisIdempotency(redis))
    books = CRUDRouter(Book, prefix="/books")

    @books.override("list")
    @cached(60, tags=["book"], scope="public")
    async def listed(context: OverrideContext) -> object:
        return await context.default()

    @books.override("create")
    @idempotency.protected
    async def created(context: OverrideContext) -> object:
        return await context.default()

    books.after_commit(cache.forget)
    private = APIRouter(dependencies=[Depends(RateLimit("2/hour"))])

    @private.get("/private")
    async def read_private() -> str:
        return "private"

    def make_app(limits: dict[str, RateLimit | None]) -> FastAPI:
        routers = [books, private]
        return create_app(settings, database=database, routers=routers, redis=redis, limits=limits, cache=cache)

    return make_app


async def test_refusals_are_problems_with_all_headers(make: Make, redis: RedisClient | None) -> None:
    """A policy and a dependency refuse alike; without Redis each of two workers lets its half pass."""
    passing = 1 if redis is None else 2
    async with client(make({"GET /books": RateLimit("2/hour")})) as api:
        for path in ("/books", "/private"):
            answers = [await api.get(path, headers=ORIGIN) for _ in range(passing + 1)]
            assert [answer.status_code for answer in answers] == [200] * passing + [429]
            refused = answers[-1]
            assert refused.headers["content-type"] == "application/problem+json"
            assert refused.json()["request_id"] == refused.headers["x-request-id"]
            assert refused.headers["access-control-allow-origin"] == ORIGIN["origin"]
            assert refused.headers["x-content-type-options"] == "nosniff"
            assert int(refused.headers["retry-after"]) > 0
        document = (await api.get("/openapi.json")).json()
    for path in ("/books", "/private"):
        assert "429" in document["paths"][path]["get"]["responses"]


async def test_writes_are_made_once_and_forget_what_is_cached(make: Make) -> None:
    """A list comes from the cache until a row is written, which a key lets happen once."""
    async with client(make({})) as api:
        assert (await api.get("/books")).json()["items"] == []
        assert (await api.get("/books")).headers["cache-status"].startswith("fastapi-kit; hit")
        key = {"Idempotency-Key": "8e03978e-40d5-43dd-bc93-6894a57f9324"}
        first, again = [await api.post("/books", json={"title": "Emma"}, headers=key) for _ in range(2)]
        assert (first.status_code, first.content) == (again.status_code, again.content)
        assert first.status_code == 201
        assert again.headers["idempotent-replayed"] == "true"
        assert [book["title"] for book in (await api.get("/books")).json()["items"]] == ["Emma"]


def test_a_limit_for_no_route_stops_the_start(settings: Settings) -> None:
    """The message names the route that may be meant."""
    app = create_app(settings, limits={"GET /healt": RateLimit("2/hour")})
    with pytest.raises(UnmatchedLimitError, match="did you mean 'GET /health'"), TestClient(app):
        pass


@pytest.mark.redis
async def test_without_redis_the_app_is_degraded_and_serves(settings: Settings, tmp_path: Path) -> None:
    """Limits count in the process, cached endpoints are called, and `/ready` stays ready."""
    with redis_server(tmp_path) as server:
        redis = RedisClient(server.url, timeout=0.1)
        router = APIRouter()

        @router.get("/", dependencies=[Depends(RateLimit("2/hour"))])
        @cached(60, scope="public")
        async def read() -> str:
            return "read"

        app = create_app(settings, routers=[router], redis=redis, limits={}, cache=Cache(RedisCache(redis)))
        async with client(app) as api:
            assert (await api.get("/ready")).json()["status"] == "ready"
            server.stop()
            assert [(await api.get("/")).status_code for _ in range(2)] == [200, 429]
            await asyncio.sleep(1.1)  # until the result of the check is no longer given again
            ready = await api.get("/ready")
            assert (ready.status_code, ready.json()["status"]) == (200, "degraded")
            assert ready.json()["failing"] == ["redis"]
