"""The pool: how commands are written, who waits, and which connection is used again."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st
from redis.connection import Connection
from redis.exceptions import ResponseError

from fastapi_kit.redis import RedisClient
from fastapi_kit.redis._connections import Argument, pack
from tests.services import require

pytestmark = [pytest.mark.anyio, pytest.mark.redis]

WORDS = st.one_of(st.text(), st.binary(), st.integers(), st.floats(allow_nan=False))


@given(st.lists(WORDS, min_size=1))
def test_commands_are_written_as_redis_py_does(words: list[Argument]) -> None:
    """Whatever the words are; redis-py would also split the command's name."""
    untyped: Any = Connection
    assert pack(["ECHO", *words]) == b"".join(untyped().pack_command("ECHO", *words))


@pytest.fixture
async def redis() -> AsyncIterator[RedisClient]:
    """A client of two connections, whose commands may take their time."""
    client = RedisClient(require("redis"), pool=2, timeout=5)
    yield client
    await client.aclose()


async def connection_of(redis: RedisClient) -> int:
    """The number of the connection that is next in turn."""
    number: int = await redis.run("CLIENT ID")
    return number


async def test_there_are_no_more_connections_than_said(redis: RedisClient) -> None:
    """Twenty commands at a time share two connections, and wait for each other."""
    numbers = await asyncio.gather(*(connection_of(redis) for _ in range(20)))
    assert len(set(numbers)) == 2


async def test_a_connection_is_used_again(redis: RedisClient) -> None:
    """Also after a command that the server refuses."""
    first = await connection_of(redis)
    with pytest.raises(ResponseError):
        await redis.run("GET")
    assert await connection_of(redis) == first


async def test_a_connection_with_an_answer_under_way_is_not(redis: RedisClient) -> None:
    """Who gives up leaves nothing for the next one to read, and no place taken."""
    first = await connection_of(redis)
    for _ in range(5):
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(redis.run("BLPOP", f"test:{uuid4()}", 1), 0.02)
    assert await connection_of(redis) != first
    assert await redis.run("ECHO", "here") == b"here"


async def test_a_name_of_two_words_is_a_command(redis: RedisClient) -> None:
    """As for redis-py, and so is what it makes of the answer."""
    assert (await redis.run("CONFIG GET", "databases")).keys() == {"databases"}
    assert isinstance(await redis.run("INFO", "server"), dict)


async def test_closing_while_a_command_waits_fails_it(redis: RedisClient) -> None:
    """Nobody is left waiting for a connection that is gone, and the next command opens a new one."""
    waiting = asyncio.ensure_future(redis.run("BLPOP", f"test:{uuid4()}", 4))
    await asyncio.sleep(0.05)
    async with asyncio.timeout(2):
        await redis.aclose()
        assert isinstance((await asyncio.gather(waiting, return_exceptions=True))[0], Exception)
    await redis.ping()  # closes the breaker
    assert await redis.run("ECHO", "here") == b"here"
