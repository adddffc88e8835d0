"""Locks: every store alike, then what happens to the block when things go wrong."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from fastapi import FastAPI
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule

from fastapi_kit.errors import install as install_errors
from fastapi_kit.locks import LockLostError, LockStore, LockTimeoutError, MemoryLocks, lock
from fastapi_kit.locks.redis import RedisLocks
from fastapi_kit.redis import RedisClient
from fastapi_kit.testing import FrozenClock, client
from tests.redis_server import RedisServer, redis_server
from tests.services import require

pytestmark = pytest.mark.anyio


@pytest.fixture(params=["memory", pytest.param("redis", marks=pytest.mark.redis)])
async def store(request: pytest.FixtureRequest) -> AsyncIterator[LockStore]:
    """A store of each kind, without leases."""
    if request.param == "memory":
        yield MemoryLocks()
        return
    redis = RedisClient(require("redis"))
    yield RedisLocks(redis, prefix=f"test:{uuid4()}:")
    await redis.aclose()


# every store


async def test_a_lease_is_for_one(store: LockStore) -> None:
    """While it is in force nobody else gets it; other names are free."""
    token = await store.acquire("a", 10)
    assert token is not None
    assert await store.acquire("a", 10) is None
    assert await store.acquire("b", 10) is not None
    assert await store.release("a", token)
    assert await store.acquire("a", 10) is not None


async def test_tokens_grow(store: LockStore) -> None:
    """Each lease has a larger token than the one before, whether that was released or ended."""
    tokens: list[int] = []
    for number in range(6):
        token = await store.acquire("a", 0.02)
        assert token is not None
        tokens.append(token)
        if number % 2:
            await store.release("a", token)
        else:
            await asyncio.sleep(0.03)
    assert tokens == sorted(set(tokens))


async def test_a_lease_ends_unless_it_is_renewed(store: LockStore) -> None:
    """After its time it is another's, and cannot be renewed or released any more."""
    token = await store.acquire("a", 0.15)
    assert token is not None
    await asyncio.sleep(0.1)
    assert await store.renew("a", token, 0.15)
    await asyncio.sleep(0.1)
    assert await store.acquire("a", 10) is None
    await asyncio.sleep(0.1)
    assert not await store.renew("a", token, 10)
    assert not await store.release("a", token)
    other = await store.acquire("a", 10)
    assert other is not None
    assert not await store.renew("a", token, 10)
    assert not await store.release("a", token)
    assert await store.renew("a", other, 10)


async def test_a_released_lease_cannot_be_renewed(store: LockStore) -> None:
    """What was given back does not come back."""
    token = await store.acquire("a", 10)
    assert token is not None
    assert await store.release("a", token)
    assert not await store.renew("a", token, 10)
    assert not await store.release("a", token)


async def test_one_block_at_a_time(store: LockStore) -> None:
    """Those who wait get it one after another, each with a larger token."""
    inside, seen = 0, list[int]()

    async def work() -> None:
        nonlocal inside
        async with lock(store, "a") as held:
            inside += 1
            assert inside == 1
            await asyncio.sleep(0.005)
            inside -= 1
            seen.append(held.token)

    await asyncio.gather(*(work() for _ in range(10)))
    assert len(seen) == 10
    assert seen == sorted(seen)


async def test_a_lease_lasts_as_long_as_the_block(store: LockStore) -> None:
    """A block that takes several times the lease holds the lock to its end."""
    async with lock(store, "a", ttl=0.15):
        for _ in range(10):
            await asyncio.sleep(0.05)
            assert await store.acquire("a", 1) is None
    assert await store.acquire("a", 1) is not None


async def test_waiting_ends(store: LockStore) -> None:
    """Who waits for too long is told so, who does not want to wait at once."""
    async with lock(store, "a"):
        for patience in (0, 0.1):
            started = time.monotonic()
            with pytest.raises(LockTimeoutError) as error:
                async with lock(store, "a", timeout=patience):
                    pytest.fail("it is held")
            assert patience <= time.monotonic() - started < patience + 0.3
            assert (error.value.name, error.value.timeout) == ("a", patience)


async def test_a_block_that_raises_gives_it_back(store: LockStore) -> None:
    """The error comes through, and the next one gets the lock at once."""
    with pytest.raises(KeyError):
        async with lock(store, "a"):
            raise KeyError
    async with lock(store, "a", timeout=0):
        pass


async def test_a_block_that_is_cancelled_gives_it_back(store: LockStore) -> None:
    """A cancellation from outside is not taken for a loss."""
    entered = asyncio.Event()

    async def work() -> None:
        async with lock(store, "a"):
            entered.set()
            await asyncio.sleep(60)

    task = asyncio.create_task(work())
    await entered.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    async with lock(store, "a", timeout=0):
        pass


async def test_a_lost_lease_cancels_the_block(store: LockStore) -> None:
    """Once it is another's, the block is cancelled at the next renewal, and the loss is raised in its place."""
    cancelled = False
    started = time.monotonic()
    with pytest.raises(LockLostError):  # noqa: PT012 - the whole block is what is cancelled
        async with lock(store, "a", ttl=0.3) as held:
            await store.release("a", held.token)  # what a restart without data does
            assert await store.acquire("a", 10) is not None
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                cancelled = True
                raise
    assert cancelled
    assert time.monotonic() - started < 0.5
    assert await store.acquire("a", 1) is None  # the other's lease was left alone


async def test_a_loss_is_told_to_a_block_that_ends_at_once() -> None:
    """A block that swallows the cancellation, or does not wait for anything, cannot take the loss for success."""
    store = MemoryLocks()
    with pytest.raises(LockLostError):  # noqa: PT012 - the whole block is what is cancelled
        async with lock(store, "a", ttl=0.1) as held:
            await store.release("a", held.token)
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.sleep(60)
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0


async def test_refuses_no_lease() -> None:
    """A lease of no time protects nothing."""
    with pytest.raises(ValueError, match="ttl"):
        async with lock(MemoryLocks(), "a", ttl=0):
            pass


async def test_a_busy_lock_is_a_503() -> None:
    """An endpoint that does not get its lock answers so, and says when to try again."""
    store = MemoryLocks()
    app = FastAPI()
    install_errors(app)

    @app.get("/")
    async def root() -> None:
        async with lock(store, "a", timeout=0):
            pass

    async with client(app) as http:
        assert (await http.get("/")).status_code == 200
        async with lock(store, "a"):
            busy = await http.get("/")
    assert (busy.status_code, busy.headers["retry-after"]) == (503, "1")


# Redis


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RedisServer]:
    """A server that the test may stop."""
    with redis_server(tmp_path) as server:
        yield server


@pytest.mark.redis
@pytest.mark.parametrize("kind", ["stopped", "hung"])
async def test_a_dead_store_ends_the_block_before_the_lease_ends(server: RedisServer, kind: str) -> None:
    """Without an answer nobody goes on as the holder beyond the lease, by the holder's own clock."""
    redis = RedisClient(server.url, timeout=0.2, cooldown=0.1)
    started = time.monotonic()
    with pytest.raises(LockLostError):  # noqa: PT012 - the whole block is what is cancelled
        async with lock(RedisLocks(redis), "a", ttl=1.0):
            (server.stop if kind == "stopped" else server.hang)()
            await asyncio.sleep(60)
    assert 0.5 < time.monotonic() - started < 1.2
    await redis.aclose()


@pytest.mark.redis
async def test_a_short_outage_is_survived(server: RedisServer) -> None:
    """A store that is back before the lease ends renews it."""
    redis = RedisClient(server.url, timeout=0.2, cooldown=0.1)
    async with lock(RedisLocks(redis), "a", ttl=2.0):
        server.hang()
        await asyncio.sleep(1.2)
        server.go_on()
        await asyncio.sleep(1.5)
        assert await RedisLocks(redis).acquire("a", 1) is None
    await redis.aclose()


@pytest.mark.redis
async def test_an_app_that_is_never_seen_again_leaves_nothing_behind() -> None:
    """Keys expire, and tokens grow on, by the clock, when all is forgotten."""
    redis, prefix = RedisClient(require("redis")), f"test:{uuid4()}:"
    store = RedisLocks(redis, prefix=prefix)
    first = await store.acquire("a", 5)
    assert 60_000 < await redis.run("PTTL", f"{prefix}a") <= 65_000
    await redis.run("DEL", f"{prefix}a")
    await asyncio.sleep(0.002)  # the clock is read in milliseconds
    second = await store.acquire("a", 5)
    assert first is not None
    assert second is not None
    assert second > first
    await redis.aclose()


class Leases(RuleBasedStateMachine):
    """The law of locks: at any time one token at most is in force, and it is the largest that was given."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = FrozenClock()
        self.store = MemoryLocks(clock=self.clock)
        self.ends: dict[int, float] = {}
        self.given: list[int] = []

    def in_force(self) -> list[int]:
        """Tokens whose lease has not ended."""
        return [token for token, end in self.ends.items() if end > self.clock.monotonic()]

    @rule(seconds=st.sampled_from([0.5, 1, 3]))
    def wait(self, seconds: float) -> None:
        """Time goes by."""
        self.clock.advance(seconds)

    @rule(ttl=st.sampled_from([1, 2, 4]))
    def acquire(self, ttl: float) -> None:
        """Somebody wants it."""
        held = self.in_force()
        token = asyncio.run(self.store.acquire("a", ttl))
        assert (token is None) == bool(held)
        if token is not None:
            assert all(token > other for other in self.given)
            self.given.append(token)
            self.ends[token] = self.clock.monotonic() + ttl

    @rule(data=st.data(), ttl=st.sampled_from([1, 2, 4]))
    def renew(self, data: st.DataObject, ttl: float) -> None:
        """Somebody who had it goes on."""
        if self.given:
            token = data.draw(st.sampled_from(self.given))
            held = self.in_force()
            assert asyncio.run(self.store.renew("a", token, ttl)) == (token in held)
            if token in held:
                self.ends[token] = self.clock.monotonic() + ttl

    @rule(data=st.data())
    def release(self, data: st.DataObject) -> None:
        """Somebody who had it gives it back."""
        if self.given:
            token = data.draw(st.sampled_from(self.given))
            assert asyncio.run(self.store.release("a", token)) == (token in self.in_force())
            self.ends.pop(token, None)


TestLeases = Leases.TestCase
