"""A database that is stopped under load and started again."""

import time
from collections import Counter
from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import anyio
import httpx2
import pytest
from anyio import to_thread
from fastapi import APIRouter
from sqlalchemy import func, select
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from fastapi_kit.app import create_app
from fastapi_kit.crud import CRUDRouter
from fastapi_kit.db import Database, SessionDep
from fastapi_kit.settings import Settings
from fastapi_kit.testing import client
from tests.db.clusters import Cluster, cluster

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

CALLERS = 12
"""More than the pool has connections."""


class Models(DeclarativeBase):
    """A registry for these tests alone."""


class Reading(Models):
    """A row."""

    __tablename__ = "reading"
    id: Mapped[int] = mapped_column(primary_key=True)
    value: Mapped[int]


@pytest.fixture(name="server", scope="module")
def own_server() -> Iterator[Cluster]:
    """A server that nobody else uses."""
    with cluster() as made:
        yield made


@dataclass
class Load:
    """What callers that never rest have seen."""

    answers: Counter[int] = field(default_factory=Counter[int])
    slowest: dict[int, float] = field(default_factory=dict[int, float])
    created: int = 0

    async def call(self, api: httpx2.AsyncClient, number: int) -> None:
        """Make requests of one kind: generated or hand-written, reading or writing."""
        requests = [("GET", "/readings"), ("POST", "/readings"), ("GET", "/count"), ("POST", "/own")]
        method, path = requests[number % len(requests)]
        while True:
            began = time.monotonic()
            answer = await api.request(method, path, json={"value": 1} if method == "POST" else None)
            status = answer.status_code
            self.answers[status] += 1
            self.slowest[status] = max(self.slowest.get(status, 0), time.monotonic() - began)
            self.created += status == 201
            if status == 503:
                assert int(answer.headers["retry-after"]) >= 1
                await anyio.sleep(0.02)


@asynccontextmanager
async def loaded(api: httpx2.AsyncClient) -> AsyncGenerator[Load]:
    """Keep all callers busy."""
    load = Load()
    async with anyio.create_task_group() as group:
        for number in range(CALLERS):
            group.start_soon(load.call, api, number)
        yield load
        group.cancel_scope.cancel()


async def until_it_answers(api: httpx2.AsyncClient) -> None:
    """Wait for the first success, for some seconds at most."""
    with anyio.fail_after(10):
        while (await api.get("/count")).status_code != 200:  # noqa: ASYNC110 - only asking tells
            await anyio.sleep(0.02)


def routes() -> list[APIRouter]:
    """Generated ones, each statement of which is a transaction, and ones with the request's session."""
    own = APIRouter()

    @own.get("/count")
    async def count(session: SessionDep) -> int:
        return await session.scalar(select(func.count(Reading.id))) or 0

    @own.post("/own", status_code=201)
    async def create(session: SessionDep) -> None:
        session.add(Reading(value=2))

    return [CRUDRouter(Reading, prefix="/readings"), own]


async def test_a_restart_under_load_is_503s_and_then_over(server: Cluster) -> None:
    """While the server is down every request is a 503 within two seconds; then all is as before, in the same process.

    What was answered with 201 is there afterwards.
    """
    database = Database(server.url)
    async with database.engine.begin() as connection:
        await connection.run_sync(Models.metadata.create_all)
    app = create_app(Settings(database_url=server.url), database=database, routers=routes())
    async with client(app) as api:
        await until_it_answers(api)
        async with loaded(api) as load:
            await anyio.sleep(0.5)
            assert set(load.answers) == {200, 201}
            await to_thread.run_sync(server.stop)
            await anyio.sleep(0.1)  # for what was answered just before
            before = load.answers.copy()
            await anyio.sleep(1)
            assert set(load.answers - before) == {503}, "something succeeded without a database"
            assert (await api.get("/ready")).status_code == 503
            await to_thread.run_sync(server.start)
            await until_it_answers(api)
            await anyio.sleep(0.5)
            recovered = load.answers.copy()
            await anyio.sleep(0.5)
            assert set(load.answers - recovered) == {200, 201}
        assert set(load.answers) == {200, 201, 503}
        assert load.slowest[503] < 2
        assert (await api.get("/count")).json() >= load.created
