"""What every store of the cache does: one suite for all."""

import asyncio
import os
from collections.abc import AsyncGenerator

import pytest

from fastapi_kit.cache import CacheStore, Claim, MemoryCache, StoredAnswer
from fastapi_kit.cache.redis import RedisCache
from fastapi_kit.redis import RedisClient
from tests.services import require

pytestmark = pytest.mark.anyio

ANSWER = StoredAnswer(200, [(b"content-type", b"application/json"), (b"etag", b'"x"')], b'{"n":1}\x00\xff', 1000.5, 60)


@pytest.fixture(params=["memory", pytest.param("redis", marks=pytest.mark.redis)])
async def store(request: pytest.FixtureRequest) -> AsyncGenerator[CacheStore]:
    """An empty store of each kind."""
    if request.param == "memory":
        yield MemoryCache()
        return
    client = RedisClient(require("redis"))
    yield RedisCache(client, prefix=f"test:{os.urandom(6).hex()}")
    await client.aclose()


async def claimed(store: CacheStore, key: str = "k", *tags: str, seconds: float = 10) -> Claim:
    """A claim that nobody else holds."""
    claim = await store.claim(key, tags, seconds)
    assert claim is not None
    return claim


async def test_what_is_written_is_read(store: CacheStore) -> None:
    """Status, headers and bytes come back as they were; another key has none of it."""
    assert await store.read("k", ["t"]) is None
    await store.write(await claimed(store, "k", "t"), ANSWER)
    assert await store.read("k", ["t"]) == ANSWER
    assert await store.read("other", ["t"]) is None


async def test_one_at_a_time_makes_an_answer(store: CacheStore) -> None:
    """A claim is had by one of many who ask at once, and can be had again when it has ended."""
    claims = await asyncio.gather(*(store.claim("k", [], 10) for _ in range(20)))
    held = [claim for claim in claims if claim is not None]
    assert len(held) == 1
    await store.release(held[0])
    await store.write(await claimed(store), ANSWER)
    assert await store.claim("k", [], 10) is not None


async def test_a_claim_ends_by_itself(store: CacheStore) -> None:
    """Whoever has crashed does not keep others from making the answer, and comes too late to write."""
    late = await claimed(store, seconds=0.05)
    await asyncio.sleep(0.08)
    second = await claimed(store)
    await store.write(late, ANSWER)
    assert await store.read("k", []) is None
    await store.release(late)
    assert await store.claim("k", [], 10) is None  # the second is held still
    await store.write(second, ANSWER)
    assert await store.read("k", []) == ANSWER


async def test_a_forgotten_tag_takes_its_answers_along(store: CacheStore) -> None:
    """All answers with the tag are gone, and no others."""
    for key, tags in (("a", ["x"]), ("b", ["x", "y"]), ("c", ["y"])):
        await store.write(await claimed(store, key, *tags), ANSWER)
    await store.invalidate(["x", "never seen"])
    assert await store.read("a", ["x"]) is None
    assert await store.read("b", ["x", "y"]) is None
    assert await store.read("c", ["y"]) == ANSWER
    await store.write(await claimed(store, "d", "x"), ANSWER)  # the tag is in use again
    assert await store.read("a", ["x"]) is None
    assert await store.read("b", ["x", "y"]) is None
    await store.write(await claimed(store, "a", "x"), ANSWER)
    assert await store.read("a", ["x"]) == ANSWER


async def test_what_was_begun_before_a_tag_was_forgotten_is_not_stored(store: CacheStore) -> None:
    """An answer that was read before a write would outlive it otherwise."""
    claim = await claimed(store, "k", "x")
    await store.invalidate(["x"])
    await store.write(claim, ANSWER)
    assert await store.read("k", ["x"]) is None


async def test_an_answer_ends_after_its_lifetime(store: CacheStore) -> None:
    """That is its ttl, and what it may be given stale."""
    short = StoredAnswer(200, [], b"", 0, 0.03, 0.05)
    await store.write(await claimed(store), short)
    await asyncio.sleep(0.04)
    assert await store.read("k", []) == short
    await asyncio.sleep(0.06)
    assert await store.read("k", []) is None


@pytest.mark.redis
async def test_a_tag_on_redis_outlives_what_has_it() -> None:
    """One that was used by a short-lived answer before, too: without its version, the longer one would be lost."""
    client = RedisClient(require("redis"))
    prefix = f"test:{os.urandom(6).hex()}"
    store = RedisCache(client, prefix=prefix)

    async def left() -> float:
        """Seconds that the version of the tag has."""
        milliseconds: int = await client.run("PTTL", f"{{{prefix}}}:t:x")
        return milliseconds / 1_000

    await store.write(await claimed(store, "short", "x"), ANSWER)
    assert ANSWER.ttl < await left() < 200
    long = await claimed(store, "long", "x", seconds=1_000)
    assert 1_000 < await left() < 2_000
    await store.write(long, StoredAnswer(200, [], b"", 0, 5_000))
    assert await left() > 5_000
    await store.write(await claimed(store, "short", "x"), ANSWER)
    assert await left() > 5_000
    await client.aclose()
