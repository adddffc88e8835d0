"""Pools as gauges: real ones, full and waited for."""

import asyncio
from dataclasses import dataclass

import pytest
from fastapi import FastAPI
from prometheus_client import CollectorRegistry
from sqlalchemy import text

from fastapi_kit.app import create_app
from fastapi_kit.db import Database, Pool, PoolUsage
from fastapi_kit.metrics import Metrics
from fastapi_kit.settings import Settings
from fastapi_kit.testing import client
from tests.metrics.samples import samples, value

pytestmark = pytest.mark.anyio


@dataclass
class Usage:
    """A pool that says what a test wants."""

    size: int
    in_use: int
    waiting: int


def gauges(metrics: Metrics, pool: str) -> list[float | None]:
    """The three gauges of a pool."""
    found = samples(metrics.exposition()[0].decode())
    return [value(found, f"db_pool_{name}", pool=pool) for name in ("size", "in_use", "waiting")]


async def test_gauges_say_what_holds_now() -> None:
    """Each scrape asks anew, each pool for itself."""
    metrics = Metrics(registry=CollectorRegistry())
    one, other = Usage(10, 3, 0), Usage(5, 5, 2)
    metrics.watch_pool("one", lambda: one)
    metrics.watch_pool("other", lambda: other)
    assert gauges(metrics, "one") == [10, 3, 0]
    assert gauges(metrics, "other") == [5, 5, 2]
    one.in_use = 0
    assert gauges(metrics, "one") == [10, 0, 0]


async def test_two_pools_have_two_names() -> None:
    """Else one would hide the other."""
    metrics = Metrics(registry=CollectorRegistry())
    metrics.watch_pool("one", lambda: Usage(1, 0, 0))
    with pytest.raises(ValueError, match="'one'"):
        metrics.watch_pool("one", lambda: Usage(1, 0, 0))


@pytest.mark.postgres
async def test_a_real_pool_knows_who_waits(postgres: Database) -> None:
    """Connections in use, and callers that have none yet, before, while and after it is full."""
    url = postgres.url.render_as_string(hide_password=False)
    database = Database(url, pool=Pool(size=2, timeout=30))
    leave = asyncio.Event()

    async def hold() -> None:
        async with database.engine.connect() as connection:
            await connection.execute(text("SELECT 1"))
            await leave.wait()

    assert database.pool_usage() == PoolUsage(2, 0, 0)
    async with asyncio.timeout(30), asyncio.TaskGroup() as group:
        for _ in range(5):
            group.create_task(hold())
        while database.pool_usage() != PoolUsage(2, 2, 3):  # noqa: ASYNC110 - nothing tells of it
            await asyncio.sleep(0.01)
        leave.set()
    assert database.pool_usage() == PoolUsage(2, 0, 0)
    await database.dispose()


async def test_a_pool_that_gives_no_connection_forgets_who_waited(database: Database) -> None:
    """Whoever is told that there is none waits no more."""
    url = database.url.render_as_string(hide_password=False)
    small = Database(url, pool=Pool(size=1, timeout=0.05))
    async with small.engine.connect() as connection:
        await connection.execute(text("SELECT 1"))
        with pytest.raises(Exception, match="QueuePool limit"):
            await small.ping()
        assert small.pool_usage() == PoolUsage(1, 1, 0)
    await small.dispose()


async def test_create_app_watches_the_database_and_serves_the_metrics(database: Database) -> None:
    """With the layers that it has anyway, under a trusted host's address, too."""
    metrics = Metrics(registry=CollectorRegistry())
    settings = Settings(log_level="critical", trusted_hosts=("api.example",))
    app: FastAPI = create_app(settings, database=database, metrics=metrics)
    async with client(app, base_url="http://api.example") as api:
        assert (await api.get("/health")).status_code == 200
        answer = await api.get("/metrics", headers={"host": "10.1.2.3:8000"})
    found = samples(answer.text)
    assert value(found, "db_pool_size", pool="database") == 10
    labels = {"method": "GET", "route": "/health", "status": "200", "outcome": "ok"}
    assert value(found, "http_requests_total", **labels) == 1
    assert value(found, "http_requests_in_progress") == 1  # the scrape itself
