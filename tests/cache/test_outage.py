"""Redis that is gone: the endpoint answers by itself."""

import asyncio
import time
from itertools import count
from pathlib import Path

import pytest
from fastapi import APIRouter

from fastapi_kit.cache import Cache, CacheUnavailableError, cached
from fastapi_kit.cache._policy import Sharing
from fastapi_kit.cache.redis import RedisCache
from fastapi_kit.redis import RedisClient
from fastapi_kit.testing import client
from tests.cache.apps import app_with
from tests.redis_server import redis_server

pytestmark = [pytest.mark.anyio, pytest.mark.redis]


@pytest.mark.parametrize("how", ["hung", "dead"])
@pytest.mark.parametrize("scope", ["user", "public"])
async def test_a_server_that_is_gone_costs_its_time_once(tmp_path: Path, how: str, scope: Sharing) -> None:
    """Never a 500; all requests at once wait for half a second at most, as by default, later ones for nothing."""
    router, made = APIRouter(), count(1)

    @router.get("/n/{key}")
    @cached(60, scope=scope)
    async def number(key: str) -> int:
        return next(made)

    with redis_server(tmp_path) as server:
        redis = RedisClient(server.url)
        cache = Cache(RedisCache(redis))
        async with client(app_with(cache, router)) as http:
            assert [(await http.get("/v1/n/a")).json() for _ in range(2)] == [1, 1]
            (server.hang if how == "hung" else server.stop)()
            began = time.monotonic()
            answers = await asyncio.gather(*(http.get("/v1/n/a") for _ in range(20)))
            first = time.monotonic() - began
            again = [await http.get("/v1/n/a") for _ in range(5)]
            later = time.monotonic() - began - first
            with pytest.raises(CacheUnavailableError):
                await cache.invalidate("n")
        await redis.aclose()
    assert {answer.status_code for answer in [*answers, *again]} == {200}
    assert len({answer.json() for answer in [*answers, *again]}) == 25
    assert first < 0.5 + 0.4  # of which the second is what 20 requests may take on a busy machine
    assert later < 0.2
