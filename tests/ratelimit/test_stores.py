"""Every store counts alike; what is particular to the one in memory and the one on Redis comes after."""

import asyncio
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastapi_kit.ratelimit import LimitStore, MemoryStore, parse_rules
from fastapi_kit.ratelimit.redis import RedisStore
from fastapi_kit.redis import RedisClient, RedisUnavailableError
from fastapi_kit.testing import FrozenClock
from tests.services import require

pytestmark = pytest.mark.anyio


async def test_counts_to_the_limit(store: LimitStore) -> None:
    """As many pass as the rule says, and what is left is told."""
    decisions = [await store.spend("a", parse_rules("3/hour"), 1) for _ in range(5)]
    assert [it.allowed for it in decisions] == [True, True, True, False, False]
    assert [it.remaining() for it in decisions] == [[2], [1], [0], [0], [0]]
    assert decisions[-1].retry_after() in {1_199, 1_200}
    assert decisions[-1].resets()[0] in {3_599, 3_600}


async def test_keys_do_not_meet(store: LimitStore) -> None:
    """What one uses up is not another's."""
    rules = parse_rules("1/hour")
    assert (await store.spend("a", rules, 1)).allowed
    assert (await store.spend("b", rules, 1)).allowed
    assert not (await store.spend("a", rules, 1)).allowed


async def test_time_gives_back(store: LimitStore) -> None:
    """A request may come again when the rule says, and no sooner."""
    rules = parse_rules("5/second")
    assert sum([(await store.spend("a", rules, 1)).allowed for _ in range(10)]) == 5
    await asyncio.sleep(0.45)  # 2 at most by now, were the machine not slow
    again = sum([(await store.spend("a", rules, 1)).allowed for _ in range(10)])
    assert 2 <= again <= 4


async def test_all_rules_or_none(store: LimitStore) -> None:
    """A request that one rule refuses is not counted in the other."""
    rules = parse_rules("1/minute;3/hour")
    decisions = [await store.spend("a", rules, 1) for _ in range(4)]
    assert [it.allowed for it in decisions] == [True, False, False, False]
    assert decisions[-1].remaining() == [0, 2]


async def test_cost(store: LimitStore) -> None:
    """A cost counts as so many requests; none looks; one above the limit never passes."""
    rules = parse_rules("10/hour")
    assert (await store.spend("a", rules, 7)).remaining() == [3]
    assert (await store.spend("a", rules, 0)).remaining() == [3]
    assert not (await store.spend("a", rules, 4)).allowed
    too_much = await store.spend("b", rules, 11)
    assert (too_much.allowed, too_much.retry_after()) == (False, None)
    assert (await store.spend("b", rules, 0)).remaining() == [10]


async def test_concurrent_requests_share_one_quota(store: LimitStore) -> None:
    """However many come at once, the limit is the limit."""
    decisions = await asyncio.gather(*(store.spend("a", parse_rules("100/hour"), 1) for _ in range(300)))
    assert sum(it.allowed for it in decisions) == 100


def test_memory_forgets_whom_it_need_not_remember() -> None:
    """Keys whose buckets are empty go as new ones come; those that are in use stay."""
    clock = FrozenClock()
    store, rules = MemoryStore(clock=clock), parse_rules("2/minute")
    for number in range(50):
        store.count(f"old {number}", rules, 1)
    clock.advance(31)
    for number in range(25):
        store.count(f"new {number}", rules, 1)
    assert len(store) == 25


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 2_000)), max_size=200))
def test_memory_is_bounded(requests: list[tuple[int, int]]) -> None:
    """Whoever asks and however often, no more keys than allowed are remembered, and those seen last are."""
    clock = FrozenClock()
    store, rules = MemoryStore(max_keys=10, clock=clock), parse_rules("1/hour")
    for key, wait in requests:
        clock.advance(wait / 1_000)
        store.count(str(key), rules, 1)
        assert len(store) <= 10
        assert not store.count(str(key), rules, 1).allowed


def test_workers_share_the_limit() -> None:
    """Each of four processes lets a quarter pass, and says so; a limit below their number leaves one for each."""
    store = MemoryStore(workers=4)
    decisions = [store.count("a", parse_rules("10/minute"), 1) for _ in range(3)]
    assert [it.allowed for it in decisions] == [True, True, False]
    assert decisions[0].rules == parse_rules("2/minute")
    assert store.count("b", parse_rules("3/minute"), 1).rules == parse_rules("1/minute")


@pytest.mark.parametrize("options", [{"max_keys": 0}, {"workers": 0}], ids=str)
def test_memory_refuses_numbers_below_one(options: Any) -> None:
    """A store without keys or processes counts nothing."""
    with pytest.raises(ValueError, match="1 or more"):
        MemoryStore(**options)


@pytest.mark.redis
async def test_redis_takes_one_trip_and_one_key_that_expires() -> None:
    """A request is one EVALSHA with one key, which lives until its buckets are empty."""
    redis, prefix = RedisClient(require("redis")), f"test:{uuid4()}:"
    store, rules = RedisStore(redis, prefix=prefix), parse_rules("10/minute;100/hour")
    await store.spend("a", rules, 5)
    sent: list[str] = []
    async with redis.client.monitor() as monitor:
        await store.spend("a", rules, 5)
        await redis.run("ECHO", prefix)
        async for command in monitor.listen():
            if prefix in command["command"] and command["client_type"] != "lua":
                sent.append(command["command"].split()[0])
            if command["command"].startswith("ECHO") and prefix in command["command"]:
                break
    assert sent == ["EVALSHA", "ECHO"]
    assert await redis.run("KEYS", f"{prefix}*") == [f"{prefix}a".encode()]
    assert 355_000 <= await redis.run("PTTL", f"{prefix}a") <= 360_000
    await redis.aclose()


@pytest.mark.redis
async def test_redis_that_cannot_be_reached_says_so() -> None:
    """The store raises; what is done then is the limit's to say, and it has a store in this process for it."""
    store = RedisStore(RedisClient("redis://127.0.0.1:1"), workers=2)
    with pytest.raises(RedisUnavailableError):
        await store.spend("a", parse_rules("4/hour"), 1)
    assert store.local.count("a", parse_rules("4/hour"), 1).rules == parse_rules("2/hour")
