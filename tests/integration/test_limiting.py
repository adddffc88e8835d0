"""Limits over real server processes: how many pass in all, and what others notice of it."""

import asyncio
import os
import time
from collections import Counter
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median

import pytest

from tests.integration.served import ROOT, free_port, served
from tests.redis_server import RedisServer, redis_server, slow_road
from tests.services import require

pytestmark = [pytest.mark.anyio, pytest.mark.redis, pytest.mark.slow]

PER_SECOND = 100 / 60
"""What `100/minute` lets pass besides the first hundred."""


@contextmanager
def app(directory: Path, redis_url: str, *, workers: int = 1, timeout: float = 5) -> Generator[int]:
    """The port of the app, which is patient with Redis, as machines that run tests are busy."""
    port = free_port()
    environment = {
        "PYTHONPATH": os.pathsep.join((str(ROOT / "src"), str(ROOT))),
        "PREFIX": f"test:{os.urandom(6).hex()}",
        "REDIS_URL": redis_url,
        "REDIS_TIMEOUT": str(timeout),
        "WORKERS": str(workers),
    }
    command = ["uvicorn", "tests.integration.limiting:app", "--port", str(port), "--no-access-log"]
    with served([*command, "--workers", str(workers)], port, directory / "app.log", **environment):
        yield port


class Line:
    """A connection that is kept, by a client that costs next to nothing."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    @classmethod
    async def to(cls, port: int) -> "Line":
        """Connect."""
        return cls(*await asyncio.open_connection("127.0.0.1", port))

    async def get(self, path: str) -> int:
        """The status."""
        self._writer.write(f"GET {path} HTTP/1.1\r\nhost: test\r\n\r\n".encode())
        head = (await self._reader.readuntil(b"\r\n\r\n")).lower()
        length = int(head.partition(b"content-length: ")[2].partition(b"\r\n")[0])
        await self._reader.readexactly(length)
        return int(head.split()[1])

    async def timed(self, path: str) -> float:
        """Seconds that a request takes which passes."""
        started = time.monotonic()
        assert await self.get(path) == 200
        return time.monotonic() - started

    def close(self) -> None:
        """Hang up."""
        self._writer.close()


async def at_once(port: int, requests: int) -> tuple[Counter[int], float]:
    """The statuses of so many requests to `/limited`, each on a connection of its own, and how many seconds it took."""
    lines = await asyncio.gather(*(Line.to(port) for _ in range(requests)))
    started = time.monotonic()
    statuses = Counter(await asyncio.gather(*(line.get("/limited") for line in lines)))
    elapsed = time.monotonic() - started
    for line in lines:
        line.close()
    return statuses, elapsed


@pytest.mark.parametrize("workers", [1, 4])
async def test_the_limit_is_that_of_all_processes(tmp_path: Path, workers: int) -> None:
    """Of 1,000 requests at once 100 pass, and what the rule lets through until the last; the others are refused."""
    with app(tmp_path, require("redis"), workers=workers) as port:
        statuses, elapsed = await at_once(port, 1_000)
    assert statuses.keys() == {200, 429}
    assert 100 <= statuses[200] <= 100 + elapsed * PER_SECOND


@pytest.mark.parametrize("workers", [1, 4])
async def test_without_redis_the_processes_keep_to_the_limit_together(tmp_path: Path, workers: int) -> None:
    """Each has its share of the limit, which it uses up alone or with others."""
    with app(tmp_path, f"redis://127.0.0.1:{free_port()}", workers=workers) as port:
        statuses, elapsed = await at_once(port, 1_000)
    assert statuses.keys() == {200, 429}
    assert 100 // workers <= statuses[200] <= 100 + elapsed * PER_SECOND


@pytest.fixture
def server(tmp_path: Path) -> Generator[RedisServer]:
    """A server that the test may stop."""
    with redis_server(tmp_path) as server:
        yield server


async def test_a_distant_redis_holds_up_nobody_else(tmp_path: Path, server: RedisServer) -> None:
    """With Redis 20 ms away 20 connections get hundreds of requests a second, and others are as fast as ever."""
    done, stop = 0, asyncio.Event()

    async def work(line: Line) -> None:
        nonlocal done
        while not stop.is_set():
            assert await line.get("/ample") == 200
            done += 1

    with ExitStack() as stack:
        async with slow_road(server.port, 0.02) as road:
            port = stack.enter_context(app(tmp_path, f"redis://127.0.0.1:{road}/0"))
            other, *lines = [await Line.to(port) for _ in range(21)]
            idle = median([await other.timed("/free") for _ in range(100)])
            await asyncio.gather(*(line.get("/ample") for line in lines))  # connect
            working = [asyncio.create_task(work(line)) for line in lines]
            started, busy = time.monotonic(), list[float]()
            while time.monotonic() < started + 3:
                busy.append(await other.timed("/free"))
                await asyncio.sleep(0.01)
            rate = done / (time.monotonic() - started)
            stop.set()
            await asyncio.gather(*working)
            for line in (other, *lines):
                line.close()
    assert rate > 300  # 600 to 900 on a machine that does nothing else
    assert median(busy) < max(0.015, 3 * idle)


@pytest.mark.parametrize("kind", ["stopped", "hung"])
async def test_a_dead_redis_costs_a_timeout_once(tmp_path: Path, server: RedisServer, kind: str) -> None:
    """Requests under way wait for it at most, those that come later not at all."""
    with app(tmp_path, server.url, timeout=0.4) as port:
        lines = [await Line.to(port) for _ in range(20)]
        await asyncio.gather(*(line.get("/ample") for line in lines))
        (server.stop if kind == "stopped" else server.hang)()
        first = await asyncio.gather(*(line.timed("/ample") for line in lines))
        later = [await line.timed("/ample") for _ in range(5) for line in lines]
        for line in lines:
            line.close()
    assert max(first) < 0.5
    assert (max(first) > 0.35) == (kind == "hung")
    assert median(later) < 0.05
    assert max(later) < 0.25
