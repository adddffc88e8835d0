"""What every store of records does: one suite for all."""

import asyncio
import os
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import URL, MetaData, make_url, text

from fastapi_kit.db import Database
from fastapi_kit.idempotency import (
    Begun,
    IdempotencyError,
    IdempotencyStore,
    InProgress,
    MemoryIdempotency,
    Record,
    SQLIdempotency,
)
from fastapi_kit.idempotency.redis import RedisIdempotency
from fastapi_kit.redis import RedisClient
from fastapi_kit.testing import FrozenClock
from tests.databases import emptied
from tests.services import require

pytestmark = pytest.mark.anyio

Open = Callable[[], AbstractAsyncContextManager[IdempotencyStore]]
"""Opens the store for one request: where it is part of a transaction, for one that commits."""

KEY = "0f" * 16
PRINT = "ab" * 16
RECORD = Record(PRINT, 201, [(b"location", b"/x"), (b"x-y", b"\xe9")], b'{"n":1}\x00\xff')


def always(store: IdempotencyStore) -> Open:
    """A store that is the same for all requests."""

    @asynccontextmanager
    async def opened() -> AsyncGenerator[IdempotencyStore]:
        yield store

    return opened


def in_transactions(database: Database, store: SQLIdempotency) -> Open:
    """A store that is each request's own."""

    @asynccontextmanager
    async def opened() -> AsyncGenerator[IdempotencyStore]:
        async with database.session() as session:
            yield store.on(session)
            await session.commit()

    return opened


@asynccontextmanager
async def tabled(database: Database) -> AsyncGenerator[SQLIdempotency]:
    """A store with its table."""
    metadata = MetaData()
    store = SQLIdempotency(metadata)
    async with database.engine.begin() as connection:
        await connection.run_sync(metadata.create_all)
    yield store


SERVERS = [
    pytest.param("postgres", marks=pytest.mark.postgres),
    pytest.param("mariadb", marks=pytest.mark.mariadb),
]


@pytest.fixture(params=["memory", pytest.param("redis", marks=pytest.mark.redis), "sqlite", *SERVERS])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str | URL:
    """Where records are: the name of a store, or the URL of a database."""
    if request.param == "sqlite":
        return make_url(f"sqlite+aiosqlite:///{tmp_path}/test.db")
    if request.param in {"postgres", "mariadb"}:
        url: URL = request.getfixturevalue(f"{request.param}_url")
        return url
    return str(request.param)


@pytest.fixture
async def opening(place: str | URL) -> AsyncGenerator[Open]:
    """An empty store of each kind."""
    if place == "memory":
        yield always(MemoryIdempotency())
    elif place == "redis":
        client = RedisClient(require("redis"))
        yield always(RedisIdempotency(client, prefix=f"test:{os.urandom(6).hex()}"))
        await client.aclose()
    elif isinstance(place, URL):
        async with emptied(place) as database, tabled(database) as store:
            yield in_transactions(database, store)


async def begun(store: IdempotencyStore, lease: float = 10) -> Begun:
    """A key that was free."""
    beginning = await store.begin(KEY, PRINT, lease)
    assert isinstance(beginning, Begun)
    return beginning


async def test_what_was_carried_out_is_answered_again(opening: Open) -> None:
    """Status, headers and body come back as they were, to whoever has the key, with whatever content."""
    async with opening() as store:
        await store.complete(await begun(store), RECORD, 60)
    for content in (PRINT, "cd" * 16):
        async with opening() as store:
            assert await store.begin(KEY, content, 10) == RECORD
    async with opening() as store:
        assert isinstance(await store.begin("f0" * 16, PRINT, 10), Begun)


async def test_a_large_answer_is_kept(opening: Open) -> None:
    """Whatever a database takes for large by default."""
    large = Record(PRINT, 200, [(b"x-long", b"y" * 1_000)], b"x" * 200_000)
    async with opening() as store:
        await store.complete(await begun(store), large, 60)
    async with opening() as store:
        assert await store.begin(KEY, PRINT, 10) == large


async def test_what_failed_is_carried_out_again(opening: Open) -> None:
    """The key is free when it was given back."""
    async with opening() as store:
        await store.abandon(await begun(store))
    async with opening() as store:
        await store.complete(await begun(store), RECORD, 60)


async def test_one_of_many_at_once_carries_it_out(opening: Open) -> None:
    """The others are told that it is in progress, or get the record."""
    outcomes: list[str] = []

    async def attempt() -> None:
        async with opening() as store:
            beginning = await store.begin(KEY, PRINT, 10)
            if isinstance(beginning, Begun):
                await asyncio.sleep(0.05)
                await store.complete(beginning, RECORD, 60)
            outcomes.append(type(beginning).__name__)

    await asyncio.gather(*(attempt() for _ in range(10)))
    assert outcomes.count("Begun") == 1
    assert set(outcomes) <= {"Begun", "InProgress", "Record"}


async def test_records_end(opening: Open) -> None:
    """A key can be used anew when its record is over."""
    async with opening() as store:
        await store.complete(await begun(store), RECORD, 1)
    await asyncio.sleep(1.1)
    async with opening() as store:
        await store.complete(await begun(store), RECORD, 60)
    async with opening() as store:
        assert await store.begin(KEY, PRINT, 10) == RECORD


@pytest.fixture(params=["sqlite", *SERVERS])
async def transactions(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncGenerator[Open]:
    """A store in each database."""
    sqlite = make_url(f"sqlite+aiosqlite:///{tmp_path}/test.db")
    url: URL = sqlite if request.param == "sqlite" else request.getfixturevalue(f"{request.param}_url")
    async with emptied(url) as database, tabled(database) as store:
        yield in_transactions(database, store)


async def test_a_commit_without_an_answer_frees_the_key(transactions: Open) -> None:
    """As after an endpoint that returned a 503; nothing is left that a retry could take for an answer."""
    for _ in range(3):
        async with transactions() as store:
            await begun(store)
    async with transactions() as store:
        await store.complete(await begun(store), RECORD, 60)
    async with transactions() as store:
        assert await store.begin(KEY, PRINT, 10) == RECORD


@pytest.mark.parametrize("server", SERVERS)
async def test_a_key_is_refused_at_once(server: str, request: pytest.FixtureRequest) -> None:
    """Nobody waits for the transaction that has it; whoever has begun before the record was written sees it."""
    async with emptied(request.getfixturevalue(f"{server}_url")) as database, tabled(database) as made:
        opened = in_transactions(database, made)
        async with opened() as late:
            assert isinstance(await late.begin("f0" * 16, PRINT, 10), Begun)  # its transaction has begun
            async with opened() as first:
                beginning = await begun(first)
                async with asyncio.timeout(2):
                    assert await late.begin(KEY, PRINT, 10) == InProgress()
                await first.complete(beginning, RECORD, 60)
            assert await late.begin(KEY, PRINT, 10) == RECORD


@pytest.mark.mariadb
async def test_mysql_is_refused(mariadb: Database) -> None:
    """With a word on what to use; told from MariaDB by what its driver says of the server."""
    async with tabled(mariadb) as store, mariadb.session() as session:
        await session.execute(text("SELECT 1"))
        dialect: Any = mariadb.engine.dialect
        dialect.is_mariadb = False
        with pytest.raises(IdempotencyError, match="RedisIdempotency"):
            await store.on(session).begin(KEY, PRINT, 10)


@pytest.mark.parametrize("kind", ["memory", pytest.param("redis", marks=pytest.mark.redis)])
async def test_a_key_is_held_by_news_of_its_process(kind: str) -> None:
    """Renewed it is held; without news it is free, and whoever has lost it keeps nothing."""
    client = RedisClient(require("redis")) if kind == "redis" else None
    store: IdempotencyStore = (
        MemoryIdempotency() if client is None else RedisIdempotency(client, prefix=f"test:{os.urandom(6).hex()}")
    )
    lost = await begun(store, lease=0.15)
    await asyncio.sleep(0.1)
    assert await store.renew(lost, 0.15)
    await asyncio.sleep(0.1)
    assert await store.begin(KEY, PRINT, 10) == InProgress()
    await asyncio.sleep(0.1)
    second = await begun(store)
    assert not await store.renew(lost, 10)
    await store.abandon(lost)
    await store.complete(lost, RECORD, 60)
    assert await store.begin(KEY, PRINT, 10) == InProgress()
    await store.complete(second, RECORD, 60)
    assert await store.begin(KEY, PRINT, 10) == RECORD
    if client is not None:
        await client.aclose()


async def test_memory_is_bounded() -> None:
    """The oldest records go first."""
    size = 400 + len(RECORD.answer())
    store = MemoryIdempotency(size * 2)
    for number in range(3):
        beginning = await store.begin(f"{number:032}", PRINT, 10)
        assert isinstance(beginning, Begun)
        await store.complete(beginning, RECORD, 60)
    assert store.size == size * 2
    assert isinstance(await store.begin(f"{0:032}", PRINT, 10), Begun)
    assert await store.begin(f"{2:032}", PRINT, 10) == RECORD


async def test_what_is_over_is_purged(database: Database) -> None:
    """Other records stay."""
    clock, metadata = FrozenClock(), MetaData()
    store = SQLIdempotency(metadata, clock=clock)
    async with database.engine.begin() as connection:
        await connection.run_sync(metadata.create_all)
    async with database.session() as session:
        for key, keep in (("aa" * 16, 60), ("bb" * 16, 120)):
            beginning = await store.on(session).begin(key, PRINT, 10)
            assert isinstance(beginning, Begun)
            await store.on(session).complete(beginning, RECORD, keep)
        clock.advance(61)
        assert await store.purge(session) == 1
        assert await store.on(session).begin("bb" * 16, PRINT, 10) == RECORD
        await session.commit()
