"""The client against real servers: running, stopped, hung, restarted."""

import asyncio
import time
from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from redis.exceptions import ResponseError

from fastapi_kit.errors import install
from fastapi_kit.health import Check, CheckRunner
from fastapi_kit.lifespan import compose
from fastapi_kit.redis import NoRedisError, RedisClient, RedisDep, RedisUnavailableError, Script
from tests.redis_server import RedisServer, redis_server
from tests.services import require

pytestmark = [pytest.mark.anyio, pytest.mark.redis]

COUNT = Script("redis.call('INCRBY', KEYS[1], ARGV[1]); return redis.call('GET', KEYS[1])")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RedisServer]:
    """A server that the test may stop."""
    with redis_server(tmp_path) as server:
        yield server


@asynccontextmanager
async def opened(url: str, **options: Any) -> AsyncGenerator[RedisClient]:
    """A client that is closed at the end."""
    client = RedisClient(url, **options)
    try:
        yield client
    finally:
        await client.aclose()


async def refused(client: RedisClient) -> float:
    """Seconds after which a command was refused."""
    started = time.monotonic()
    with pytest.raises(RedisUnavailableError):
        await client.run("GET", "x")
    return time.monotonic() - started


async def test_commands_and_scripts() -> None:
    """A command gives what redis-py gives, a script runs with its keys and arguments, also by its hash."""
    key = f"test:{uuid4()}"
    async with opened(require("redis")) as client:
        assert await client.run("SET", key, 40, "EX", 10) is True
        assert await client.run(COUNT, 1, keys=[key]) == b"41"
        assert await client.run(COUNT, 1, keys=[key]) == b"42"
        await client.ping()


async def test_a_script_survives_a_forgetful_server(server: RedisServer) -> None:
    """A server that was restarted or told to forget its scripts is sent the text again; else one trip is enough."""
    async with opened(server.url) as client:
        await client.run(COUNT, 1, keys=["a"])
        await client.run("SCRIPT", "FLUSH")
        assert await client.run(COUNT, 1, keys=["a"]) == b"2"
        await client.run("CONFIG", "RESETSTAT")
        assert await client.run(COUNT, 1, keys=["a"]) == b"3"
        calls = await client.run("INFO", "commandstats")
    assert calls["cmdstat_evalsha"]["calls"] == 1
    assert "cmdstat_eval" not in calls


async def test_a_wrong_command_is_no_outage() -> None:
    """What the server refuses is the caller's error, and the next command passes."""
    async with opened(require("redis")) as client:
        with pytest.raises(ResponseError):
            await client.run("GET")
        assert client.breaker.state == "closed"
        await client.run("GET", "x")


async def test_a_full_server_is_unavailable_but_alive(server: RedisServer) -> None:
    """A server that is out of memory answers at once, so others are still let through to it."""
    async with opened(server.url) as client:
        await client.run("CONFIG", "SET", "maxmemory", "1")
        with pytest.raises(RedisUnavailableError):
            await client.run("SET", "a", "b")
        assert client.breaker.state == "closed"
        assert await client.run("GET", "a") is None


@pytest.mark.parametrize("kind", ["stopped", "hung"])
async def test_a_dead_server_costs_its_timeout_once(server: RedisServer, kind: str) -> None:
    """Commands under way wait for the timeout at most, later ones not at all, not even those that cause probes."""
    async with opened(server.url, timeout=0.3, cooldown=0.2) as client:
        await asyncio.gather(*(client.run("GET", "x") for _ in range(30)))
        (server.stop if kind == "stopped" else server.hang)()
        first = await asyncio.gather(*(refused(client) for _ in range(50)))
        assert max(first) < 0.5
        assert (max(first) > 0.25) == (kind == "hung")
        began, later = time.monotonic(), list[float]()
        while time.monotonic() < began + 1.2:  # several cool-downs and probes
            later.append(await refused(client))
            await asyncio.sleep(0.01)
        assert max(later) < 0.1
        server.go_on() if kind == "hung" else server.start()
        await recovered(client)
        assert await client.run("GET", "x") is None


async def recovered(client: RedisClient) -> None:
    """Ask until the breaker has closed."""
    deadline = time.monotonic() + 10
    while client.breaker.state != "closed":
        assert time.monotonic() < deadline
        await asyncio.sleep(0.05)
        try:
            await client.run("PING")
        except RedisUnavailableError:
            continue


async def test_answers_keep_to_their_commands_after_a_hang(server: RedisServer) -> None:
    """A connection that was left in the middle of an answer, or of its handshake, is not used again."""
    url = server.url.removesuffix("/0") + "/3"
    async with opened(url, pool=5, timeout=0.2, cooldown=0.1) as client:
        await client.run("SET", "name", "database 3")
        server.hang()
        await asyncio.gather(*(refused(client) for _ in range(5)))
        server.go_on()
        await recovered(client)
        echoed = await asyncio.gather(*(client.run("ECHO", str(number)) for number in range(50)))
        assert echoed == [str(number).encode() for number in range(50)]
        assert await asyncio.gather(*(client.run("GET", "name") for _ in range(10))) == [b"database 3"] * 10


async def test_a_restart_between_two_commands_is_not_noticed(server: RedisServer) -> None:
    """Connections that the server has closed meanwhile are replaced, not tried."""
    async with opened(server.url) as client:
        await asyncio.gather(*(client.run("GET", "x") for _ in range(10)))
        server.stop()
        server.start()
        await asyncio.sleep(0.05)
        assert await asyncio.gather(*(client.run("GET", "x") for _ in range(10))) == [None] * 10


async def test_the_pool_waits() -> None:
    """More commands than connections take turns; none is refused."""
    async with opened(require("redis"), pool=2) as client:
        answers = await asyncio.gather(*(client.run("ECHO", str(number)) for number in range(100)))
    assert answers == [str(number).encode() for number in range(100)]


async def test_waiting_for_the_pool_counts() -> None:
    """The time that a command waits for a connection is part of its timeout."""
    async with opened(require("redis"), pool=1, timeout=0.4) as client:
        key, started = f"test:{uuid4()}", time.monotonic()
        slow = [client.run("BLPOP", key, 0.3) for _ in range(2)]
        first, second = await asyncio.gather(*slow, return_exceptions=True)
        assert time.monotonic() - started < 0.55
    assert first is None
    assert isinstance(second, RedisUnavailableError)


async def test_a_slow_command_among_others_does_not_open_the_breaker() -> None:
    """Somebody waits too long for an answer of their own while the others are served: the server is well."""
    async with opened(require("redis"), timeout=0.3) as client:

        async def others() -> None:
            for _ in range(20):
                await client.run("GET", "x")
                await asyncio.sleep(0.02)

        with pytest.raises(RedisUnavailableError):
            await asyncio.gather(client.run("BLPOP", f"test:{uuid4()}", 5), others())
        assert client.breaker.state == "closed"


async def test_a_cancelled_command_tells_nothing(server: RedisServer) -> None:
    """A client that goes away while Redis is slow does not close Redis to the others."""
    async with opened(server.url, timeout=5.0) as client:
        await client.ping()
        server.hang()
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(client.run("GET", "x"), 0.05)
        assert client.breaker.state == "closed"
        server.go_on()
        assert await client.run("GET", "x") is None


async def test_the_health_check_looks_for_itself(server: RedisServer) -> None:
    """The check fails within the client's timeout, and its success lets commands pass without a probe."""
    async with opened(server.url, timeout=0.3, cooldown=60) as client:
        runner = CheckRunner([Check("redis", client.ping, ttl=0)])
        server.hang()
        [failed] = await runner.run()
        assert (failed.outcome, failed.error) == ("fail", "RedisUnavailableError")
        assert failed.seconds < 0.6
        server.go_on()
        [passed] = await runner.run()
        assert passed.outcome == "pass"
        assert await client.run("GET", "x") is None


def test_the_app_has_the_client_and_answers_503(server: RedisServer) -> None:
    """An endpoint gets the client of its app; without a server the answer is a problem that says when to come back."""
    redis = RedisClient(server.url)
    app = FastAPI(lifespan=compose(redis.lifespan))
    install(app)

    @app.get("/")
    async def count(redis: RedisDep) -> int:
        return int(await redis.run("INCR", "visits"))

    for expected in (1, 2):  # two runs of the lifespan, each in a loop of its own
        with TestClient(app) as client:
            assert client.get("/").json() == expected
    with TestClient(app) as client:
        server.stop()
        answer = client.get("/")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
    assert answer.headers["content-type"] == "application/problem+json"


def test_an_app_without_a_client_says_so() -> None:
    """The error names the lifespan."""
    app = FastAPI()

    @app.get("/")
    async def nothing(redis: RedisDep) -> None: ...

    with pytest.raises(NoRedisError, match="lifespan"), TestClient(app) as client:
        client.get("/")


def test_refuses_what_cannot_work() -> None:
    """A URL of another kind, no time and no connection are refused at construction."""
    with pytest.raises(ValueError, match="redis://"):
        RedisClient("http://localhost")
    with pytest.raises(ValueError, match="timeout"):
        RedisClient("redis://localhost", timeout=0)
    with pytest.raises(ValueError, match="pool"):
        RedisClient("redis://localhost", pool=0)
