"""The stores that every test of behaviour runs on."""

from collections.abc import AsyncIterator
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
