"""Every kind of store, opened empty and closed again."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

import sqlalchemy as sa
from sqlalchemy import URL

from fastapi_kit.auth import (
    AuthTables,
    MemoryTokenStore,
    MemoryUserStore,
    RefreshToken,
    SQLTokenStore,
    SQLUserStore,
    TokenStore,
    UserStore,
)
from fastapi_kit.auth.redis import RedisTokenStore
from fastapi_kit.db import Database
from fastapi_kit.redis import RedisClient
from tests.auth.accounts import Account, Base, tables
from tests.databases import emptied


@asynccontextmanager
async def database_with_tables(url: URL) -> AsyncGenerator[Database]:
    """A database with the tables of users and sessions, and nothing in them."""
    async with emptied(url) as database:
        async with database.engine.begin() as connection:
            await connection.run_sync(Base.metadata.create_all)
        yield database


@asynccontextmanager
async def opened_tokens(url: URL | None, among: AuthTables = tables) -> AsyncGenerator[TokenStore]:
    """The store of sessions for this kind of place; `None` is memory."""
    if url is None:
        yield MemoryTokenStore()
    elif url.get_backend_name() == "redis":
        async with redis_with_prefix(url) as (client, prefix):
            yield RedisTokenStore(client, prefix=prefix)
    else:
        async with database_with_tables(url) as database:
            yield SQLTokenStore(database, among)


@asynccontextmanager
async def opened_users(url: URL | None) -> AsyncGenerator[UserStore[Any]]:
    """The store of users for this kind of place; `None` is memory."""
    if url is None:
        yield MemoryUserStore()
    else:
        async with database_with_tables(url) as database:
            yield SQLUserStore(database, Account)


@asynccontextmanager
async def redis_with_prefix(url: URL) -> AsyncGenerator[tuple[RedisClient, str]]:
    """A client, patient as machines that run tests are busy, and a prefix of which nothing is left afterwards."""
    redis = RedisClient(url.render_as_string(hide_password=False), timeout=10)
    prefix = f"test:{uuid4().hex}:"
    try:
        yield redis, prefix
        if keys := await keys_of(redis, prefix):
            await redis.run("UNLINK", *keys)
    finally:
        await redis.aclose()


async def keys_of(redis: RedisClient, prefix: str) -> list[bytes]:
    """The keys with a prefix."""
    client: Any = redis.client
    return [key async for key in client.scan_iter(match=prefix + "*")]


async def kept(store: TokenStore, token: RefreshToken) -> int:
    """How many refresh tokens a store keeps of the session of this one."""
    inside: dict[str, Any] = vars(store)
    if isinstance(store, MemoryTokenStore):
        return len(inside["_families"][token.session_id].tokens)
    if isinstance(store, RedisTokenStore):
        key = inside["_prefix"] + f"{{{token.session_id}}}:tokens"
        assert await inside["_redis"].run("PTTL", key) > 0
        return int(await inside["_redis"].run("HLEN", key))
    database: Database = inside["_database"]
    statement = sa.select(sa.func.count()).select_from(tables.refresh_tokens)
    return await database.run(lambda it: it.execute(statement).scalar_one())
