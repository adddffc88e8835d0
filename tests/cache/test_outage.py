"""Redis that is gone: the endpoint answers by itself."""

import asyncio
import signal
import subprocess
import time
from collections.abc import Generator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import pytest
from fastapi import APIRouter

from fastapi_kit.cache import Cache, CacheUnavailableError, cached
from fastapi_kit.cache.redis import RedisCache
from fastapi_kit.redis import RedisClient
from fastapi_kit.testing import client
from tests.cache.apps import app_with
from tests.integration.served import free_port
from tests.services import require

pytestmark = [pytest.mark.anyio, pytest.mark.redis]


@contextmanager
def own_redis(directory: Path) -> Generator[tuple[str, "subprocess.Popen[bytes]"]]:
    """A server of this test's own, which may be stopped."""
    require("redis")
    port = free_port()
    command = ["redis-server", "--port", str(port), "--save", "", "--dir", str(directory)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        try:
            for _ in range(100):
                if subprocess.run(["redis-cli", "-p", str(port), "ping"], capture_output=True, check=False).stdout:  # noqa: S607
                    break
                time.sleep(0.05)
            yield f"redis://127.0.0.1:{port}/0", process
        finally:
            process.send_signal(signal.SIGCONT)
            process.kill()


@pytest.mark.parametrize("how", [signal.SIGSTOP, signal.SIGKILL], ids=["hung", "dead"])
async def test_a_server_that_is_gone_costs_its_time_once(tmp_path: Path, how: signal.Signals) -> None:
    """Never a 500; all requests at once wait for one time-out at most, later ones for none."""
    router, made = APIRouter(), count(1)

    @router.get("/n/{key}")
    @cached(60)
    async def number(key: str) -> int:
        return next(made)

    with own_redis(tmp_path) as (url, process):
        redis = RedisClient(url, timeout=0.3)
        cache = Cache(RedisCache(redis))
        async with client(app_with(cache, router)) as http:
            assert [(await http.get("/v1/n/a")).json() for _ in range(2)] == [1, 1]
            process.send_signal(how)
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
    assert first < 0.3 + 0.5
    assert later < 0.2
