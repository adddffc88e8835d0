"""A process of its own that works with a store: `python -m tests.auth.worker URL PREFIX COMMAND ...`."""

import asyncio
import json
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from fastapi_kit.auth import RefreshToken, SQLTokenStore, TokenStore
from fastapi_kit.auth.redis import RedisTokenStore
from fastapi_kit.db import Database, Pool
from fastapi_kit.redis import RedisClient
from tests.auth.accounts import NOW, tables


@asynccontextmanager
async def opened(url: str, prefix: str) -> AsyncGenerator[TokenStore]:
    """The store, as the test has filled it."""
    if url.startswith("redis"):
        redis = RedisClient(url, timeout=10)
        yield RedisTokenStore(redis, prefix=prefix)
        await redis.aclose()
    else:
        database = Database(url, pool=Pool(timeout=30))
        yield SQLTokenStore(database, tables)
        await database.dispose()


async def rotate(store: TokenStore, text: str, times: str) -> list[str]:
    """Use one token so many times at once."""
    token = RefreshToken.parse(text)
    assert token is not None
    uses = [store.rotate(token.digest, token.successor().digest.token, now=NOW) for _ in range(int(times))]
    return [rotation.outcome for rotation in await asyncio.gather(*uses)]


async def main(url: str, prefix: str, command: str, *arguments: str) -> None:
    """Do what is asked, and print the answers."""
    async with opened(url, prefix) as store:
        if command == "rotate":
            answers = await rotate(store, *arguments)
        else:
            answers = [str(await store.close(*arguments, user_id="ann"))]
    print(json.dumps(answers))  # noqa: T201 - what it is for


asyncio.run(main(*sys.argv[1:]))
