"""The stores that every test of behaviour runs on."""

import gc
import warnings
from collections.abc import AsyncIterator, Iterator
from uuid import uuid4

import pytest

from fastapi_kit.ratelimit import LimitStore, MemoryStore
from fastapi_kit.ratelimit.redis import RedisStore
from fastapi_kit.redis import RedisClient
from tests.services import require


@pytest.fixture(params=["memory", pytest.param("redis", marks=pytest.mark.redis)])
async def store(request: pytest.FixtureRequest) -> AsyncIterator[LimitStore]:
    """An empty store of each kind."""
    if request.param == "memory":
        yield MemoryStore()
        return
    redis = RedisClient(require("redis"))
    yield RedisStore(redis, prefix=f"test:{uuid4()}:")
    await redis.aclose()


@pytest.fixture(autouse=True)
def collected() -> Iterator[None]:
    """Connections that a test client's loop has left open are collected here, and not in a later test.

    Starlette's `TestClient` without `with` ends its loop after each request and runs no lifespan, so nothing can close
    the connections to Redis that were made on that loop.
    """
    yield
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()
