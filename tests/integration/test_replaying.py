"""The cache and idempotency keys over several processes."""

import asyncio
import os
from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path

import httpx2
import pytest
from sqlalchemy import URL, Column, Integer, MetaData, Table

from fastapi_kit.db import Base, Database
from fastapi_kit.idempotency import SQLIdempotency
from tests.databases import emptied
from tests.integration.served import ROOT, free_port, served
from tests.services import require

pytestmark = [pytest.mark.anyio, pytest.mark.redis, pytest.mark.slow]


async def make_tables(database: Database) -> None:
    """The tables of the app, which is imported by its processes alone: it is set up by the environment."""
    metadata = MetaData(naming_convention=Base.metadata.naming_convention)
    SQLIdempotency(metadata, table="replaying_records")
    Table("replaying_rows", metadata, Column("id", Integer, primary_key=True), Column("process", Integer))
    async with database.engine.begin() as connection:
        await connection.run_sync(metadata.create_all)


class Fleet:
    """Processes of the app, each on its own port."""

    def __init__(self, directory: Path, url: URL) -> None:
        self._directory = directory
        self._environment = {
            "PYTHONPATH": os.pathsep.join((str(ROOT / "src"), str(ROOT))),
            "PREFIX": f"test:{os.urandom(6).hex()}",
            "REDIS_URL": require("redis"),
            "DATABASE_URL": url.render_as_string(hide_password=False),
        }
        self._stack = ExitStack()
        self.urls: list[str] = []

    def start(self) -> str:
        """Start one more."""
        port = free_port()
        command = ["uvicorn", "tests.integration.replaying:app", "--port", str(port), "--no-access-log"]
        self._stack.enter_context(served(command, port, self._directory / f"{port}.log", **self._environment))
        self.urls.append(f"http://127.0.0.1:{port}")
        return self.urls[-1]

    def close(self) -> None:
        """End all."""
        self._stack.close()


@pytest.fixture
async def fleet(tmp_path: Path, database_url: URL) -> AsyncGenerator[Fleet]:
    """No process yet, and empty tables."""
    async with emptied(database_url) as database:
        await make_tables(database)
        fleet = Fleet(tmp_path, database_url)
        yield fleet
        fleet.close()


@asynccontextmanager
async def browser() -> AsyncGenerator[httpx2.AsyncClient]:
    """A client with enough connections, to which all processes are one host, as behind a load balancer."""
    limits = httpx2.Limits(max_connections=300)
    async with httpx2.AsyncClient(timeout=60, limits=limits, headers={"host": "shop.test"}) as http:
        yield http


async def test_cold_requests_to_three_processes_run_the_body_once(fleet: Fleet) -> None:
    """200 of them, to an endpoint that takes half a second."""
    urls = [fleet.start() for _ in range(3)]
    async with browser() as http:
        answers = await asyncio.gather(*(http.get(f"{urls[number % 3]}/slow") for number in range(200)))
    assert Counter((answer.status_code, answer.json()) for answer in answers) == {(200, 1): 200}


@pytest.mark.parametrize("path", ["/sql", "/redis"])
async def test_one_key_makes_one_row(fleet: Fleet, path: str) -> None:
    """Of 50 requests at once to two processes, one is carried out; the others replay it or are told to come again."""
    urls = [fleet.start() for _ in range(2)]
    headers = {"idempotency-key": "k"}
    async with browser() as http:
        answers = await asyncio.gather(
            *(http.post(f"{urls[number % 2]}{path}", headers=headers) for number in range(50))
        )
        kinds = Counter((answer.status_code, "idempotent-replayed" in answer.headers) for answer in answers)
        assert kinds[201, False] == 1
        assert kinds[201, True] + kinds[409, False] == 49
        again = await http.post(f"{urls[1]}{path}", headers=headers)
        assert (again.status_code, again.json(), again.headers["idempotent-replayed"]) == (201, {"id": 1}, "true")
        assert (await http.get(f"{urls[0]}/rows")).json() == 1


async def test_a_retry_after_a_crash_makes_no_second_row(fleet: Fleet) -> None:
    """The process is killed between the commit and the answer; the next one answers what it would have answered."""
    first, second = fleet.start(), fleet.start()
    headers = {"idempotency-key": "k"}
    async with browser() as http:
        with pytest.raises(httpx2.TransportError):
            await http.post(f"{first}/sql", headers={**headers, "x-crash": "yes"})
        again = await http.post(f"{second}/sql", headers=headers)
        assert (again.status_code, again.json(), again.headers["idempotent-replayed"]) == (201, {"id": 1}, "true")
        assert (await http.get(f"{second}/rows")).json() == 1
