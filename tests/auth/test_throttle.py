"""How often something may be tried, wherever it is counted."""

import asyncio
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from sqlalchemy import make_url

from fastapi_kit.auth import Backoff, MemoryThrottle, Throttle
from fastapi_kit.auth._throttle import attempted
from fastapi_kit.auth.redis import RedisThrottle
from fastapi_kit.redis import RedisClient
from fastapi_kit.testing import FrozenClock
from tests.auth.stores import keys_of, redis_with_prefix
from tests.redis_server import redis_server
from tests.services import require

pytestmark = pytest.mark.anyio

BACKOFF = Backoff(free=2, first=1, longest=8, forget=60)


async def test_attempts_at_once_are_as_many_as_in_turn(throttle: Throttle) -> None:
    """An attempt counts before it is looked at."""
    waits = await asyncio.gather(*(throttle.attempt("ann", BACKOFF) for _ in range(100)))
    assert waits.count(0.0) == 2


async def test_waiting_doubles_up_to_a_bound(throttle: Throttle, clock: FrozenClock) -> None:
    """Each attempt after the wait makes the next wait longer; keys do not know of each other."""
    waits: list[float] = []
    for _ in range(7):
        while wait := await throttle.attempt("ann", BACKOFF):
            waits.append(wait)
            clock.advance(wait)
    assert waits == [1, 2, 4, 8, 8]
    assert await throttle.attempt("bob", BACKOFF) == 0


async def test_attempts_are_forgiven_and_forgotten(throttle: Throttle, clock: FrozenClock) -> None:
    """By a success, and by time."""
    for _ in range(2):
        await throttle.attempt("ann", BACKOFF)
    await throttle.forgive("ann")
    assert await throttle.attempt("ann", BACKOFF) == 0
    await throttle.attempt("ann", BACKOFF)
    clock.advance(60)
    assert [await throttle.attempt("ann", BACKOFF) for _ in range(3)] == [0, 0, 1]


async def test_any_number_of_attempts_waits_no_longer_than_the_bound(throttle: Throttle, clock: FrozenClock) -> None:
    """Far beyond where doubling ends, and with parts of a second."""
    backoff = Backoff(free=1, first=0.25, longest=900, forget=3_600)
    for _ in range(80):
        assert await throttle.attempt("ann", backoff) == 0
        clock.advance(900)
    await throttle.attempt("bob", backoff)
    assert await throttle.attempt("bob", backoff) == 0.25


@pytest.mark.redis
async def test_workers_count_together() -> None:
    """Ten at once in each of two let through as many as in one."""
    async with redis_with_prefix(make_url(require("redis"))) as (redis, prefix):
        workers = [RedisThrottle(redis, prefix=prefix) for _ in range(2)]
        waits = await asyncio.gather(*(each.attempt("ann", BACKOFF) for each in workers for _ in range(10)))
        assert waits.count(0.0) == 2
        await workers[0].forgive("ann")
        assert await workers[1].attempt("ann", BACKOFF) == 0
        keys = await keys_of(redis, prefix)
        assert len(keys) == 1
        assert b"ann" not in keys[0]
        assert 0 < await redis.run("PTTL", keys[0]) <= 60_000


@pytest.mark.redis
async def test_without_redis_each_process_counts_by_itself(tmp_path: Path, clock: FrozenClock) -> None:
    """Logins go on, and guessing is slowed down all the same."""
    with redis_server(tmp_path) as server:
        redis = RedisClient(server.url)
        throttle = RedisThrottle(redis, clock=clock)
        assert await throttle.attempt("ann", BACKOFF) == 0
        server.stop()
        assert [await throttle.attempt("ann", BACKOFF) for _ in range(3)] == [0, 0, 1]
        await throttle.forgive("ann")
        assert await throttle.attempt("ann", BACKOFF) == 0
        await redis.aclose()


@given(st.lists(st.tuples(st.floats(0, 100), st.booleans()), max_size=60))
@example([(0, False), (21.406126312670192, False), (31.406126312670192, False), (0, False), (0, True), (0, False)])
def test_nobody_waits_longer_than_told(steps: list[tuple[float, bool]]) -> None:
    """Who waits as long as they are told is let in; who comes earlier is told what is left, and loses nothing."""
    known, now = None, 0.0
    for seconds, patient in steps:
        wait, known = attempted(known, BACKOFF, now)
        assert 0 <= wait <= BACKOFF.longest
        if wait and patient:
            now = known.next_at
            wait, known = attempted(known, BACKOFF, now)
            assert wait == 0
        now += seconds


async def test_no_more_keys_are_kept_than_allowed() -> None:
    """Invented addresses do not fill the memory."""
    throttle = MemoryThrottle(most=10, clock=FrozenClock())
    for number in range(100):
        await throttle.attempt(f"{number}", BACKOFF)
    assert len(throttle._attempts) == 10  # noqa: SLF001 # pyright: ignore[reportPrivateUsage]
