"""A service under load ends, and no client that honours its readiness sees an error: real processes, real signals."""

import asyncio
import signal
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx2
import pytest

from tests.integration.served import free_port, served

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

APP = "tests.integration.draining:app"
RATE = 200
DRAINED = 2
SUPERVISOR = 0.5
"""Seconds after which uvicorn's supervisor of workers has noticed a signal."""


@dataclass
class Load:
    """What a client of 200 requests a second saw."""

    statuses: list[int] = field(default_factory=list[int])
    failures: list[BaseException] = field(default_factory=list[BaseException])
    ready: list[int] = field(default_factory=list[int])


async def send(api: httpx2.AsyncClient, path: str, load: Load) -> None:
    """One request of the load."""
    try:
        load.statuses.append((await api.get(path)).status_code)
    except httpx2.HTTPError as error:
        load.failures.append(error)


async def while_ready(api: httpx2.AsyncClient, load: Load) -> AsyncIterator[None]:
    """Steps of the load, until `/ready`, asked ten times a second, says no."""
    for number in range(60 * RATE):
        if number % (RATE // 10) == 0:
            load.ready.append((await api.get("/ready")).status_code)
            if load.ready[-1] != 200:
                return
        yield
        await asyncio.sleep(1 / RATE)


async def put_load(url: str, load: Load, full: asyncio.Event) -> None:
    """Send 200 requests a second on kept-alive connections while the service is ready; every tenth is slow."""
    async with (
        httpx2.AsyncClient(base_url=url, timeout=20) as api,
        asyncio.TaskGroup() as requests,
    ):
        number = 0
        async for _ in while_ready(api, load):
            number += 1
            requests.create_task(send(api, "/quick" if number % 10 else "/slow", load))
            if number == RATE:
                full.set()


async def listen(url: str, heard: list[tuple[float, str]], first: asyncio.Event) -> None:
    """Keep a stream of events open, and note what comes and when; the end is an empty line's worth of text."""
    async with (
        httpx2.AsyncClient(base_url=url, timeout=60) as api,
        api.stream("GET", "/events") as answer,
    ):
        async for text in answer.aiter_text():
            heard.append((time.monotonic(), text))
            first.set()
    heard.append((time.monotonic(), ""))


@pytest.mark.parametrize(
    ("command", "workers"),
    [
        (["uvicorn", APP, "--port", "{port}", "--workers", "2"], 2),
        (["uvicorn", APP, "--port", "{port}"], 1),
        (["tests.integration.draining"], 2),
    ],
    ids=["uvicorn with 2 workers", "uvicorn", "run with 2 workers"],
)
async def test_no_request_is_lost_and_streams_end(command: list[str], workers: int, tmp_path: Path) -> None:
    """At SIGTERM readiness goes, what was and is sent is answered, and an open stream ends at the stop event."""
    port, load, log = free_port(), Load(), tmp_path / "log"
    full, first, heard = asyncio.Event(), asyncio.Event(), list[tuple[float, str]]()
    command = [part.format(port=port) for part in command]
    with served(command, port, log, PORT=str(port), WORKERS=str(workers), DRAIN_SECONDS=str(DRAINED)) as process:
        url = f"http://127.0.0.1:{port}"
        async with asyncio.TaskGroup() as clients:
            clients.create_task(put_load(url, load, full))
            clients.create_task(listen(url, heard, first))
            await asyncio.wait_for(first.wait(), 20)  # what a stream has given arrives while it goes on
            await asyncio.wait_for(full.wait(), 30)
            signalled = time.monotonic()
            process.send_signal(signal.SIGTERM)
        status = await asyncio.to_thread(process.wait, 20)
    written = log.read_text()
    assert load.failures == []
    assert set(load.statuses) == {200}
    assert len(load.statuses) >= RATE
    assert load.ready[-1] == 503
    assert "first" in heard[0][1]
    assert heard[-1][1] == ""
    assert DRAINED <= heard[-1][0] - signalled < DRAINED + SUPERVISOR + 1
    assert status in {0, -signal.SIGTERM}
    assert written.count("Application shutdown complete") == workers, written
