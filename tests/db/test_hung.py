"""A database that accepts connections and statements, and answers none."""

import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

import anyio
import pytest
from anyio.abc import ByteStream, SocketAttribute
from fastapi import FastAPI
from sqlalchemy import URL, text

from fastapi_kit.db import Database, Pool, SessionDep
from fastapi_kit.lifespan import compose
from fastapi_kit.testing import client

pytestmark = pytest.mark.anyio

TIMEOUT = 0.5
"""Seconds for a statement, and for a connection."""


@dataclass
class Wire:
    """Carries bytes between a client and a server, unless it is cut: then they vanish."""

    server: URL
    carries: anyio.Event = field(default_factory=anyio.Event)

    def cut(self) -> None:
        """From now on nothing arrives, in either direction."""
        self.carries = anyio.Event()

    def mend(self) -> None:
        """What was held up arrives."""
        self.carries.set()

    async def serve(self, near: ByteStream) -> None:
        """Carry one connection."""
        async with (
            near,
            await anyio.connect_tcp(self.server.host or "", self.server.port or 0) as far,
            anyio.create_task_group() as group,
        ):
            for source, target in ((near, far), (far, near)):
                group.start_soon(self._carry, source, target, group.cancel_scope)

    async def _carry(self, source: ByteStream, target: ByteStream, scope: anyio.CancelScope) -> None:
        with suppress(OSError, anyio.EndOfStream, anyio.BrokenResourceError, anyio.ClosedResourceError):
            while True:
                some = await source.receive()
                await self.carries.wait()
                await target.send(some)
        scope.cancel()


@asynccontextmanager
async def wire_to(server: URL) -> AsyncGenerator[tuple[Wire, URL]]:
    """A wire, and the URL of its near end."""
    wire = Wire(server)
    wire.mend()
    listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
    port = listener.extra(SocketAttribute.local_port)  # noqa: S610 - not Django's
    async with listener, anyio.create_task_group() as group:
        group.start_soon(listener.serve, wire.serve)
        yield wire, server.set(host="127.0.0.1", port=port)
        group.cancel_scope.cancel()


@pytest.fixture(
    params=[pytest.param("postgres", marks=pytest.mark.postgres), pytest.param("mariadb", marks=pytest.mark.mariadb)]
)
def server(request: pytest.FixtureRequest) -> URL:
    """A database on each server that is reached over a network."""
    url: URL = request.getfixturevalue(f"{request.param}_url")
    return url


async def test_a_hung_server_is_a_503_in_bounded_time_and_then_over(server: URL) -> None:
    """For sessions and for single statements, on connections that are open and on new ones."""
    async with wire_to(server) as (wire, url):
        database = Database(url, pool=Pool(size=2, timeout=TIMEOUT, statement_timeout=TIMEOUT))
        app = FastAPI(lifespan=compose(database.lifespan))

        @app.get("/")
        async def endpoint(session: SessionDep) -> int:
            return int((await session.execute(text("SELECT 1"))).scalar_one())

        async with client(app) as api:
            assert (await api.get("/")).status_code == 200
            wire.cut()
            for _ in range(4):  # the open connection, then new ones
                began = time.monotonic()
                assert (await api.get("/")).status_code == 503
                # The statement's time and that to close the connection, which SQLAlchemy bounds to two seconds.
                assert time.monotonic() - began < TIMEOUT + 4
            assert database.pool_usage().in_use == 0
            wire.mend()
            assert (await api.get("/")).status_code == 200


@pytest.mark.postgres
async def test_a_statement_that_takes_too_long_is_a_503_and_is_stopped(postgres: Database) -> None:
    """The server does not go on with it, and the next request does not wait for it."""
    database = Database(postgres.url, pool=Pool(size=1, statement_timeout=TIMEOUT))
    app = FastAPI(lifespan=compose(database.lifespan))

    @app.get("/{seconds}")
    async def sleep(seconds: float, session: SessionDep) -> None:
        await session.execute(text(f"SELECT pg_sleep({seconds})"))

    running = text("SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep%' AND state = 'active'")
    async with client(app) as api:
        assert (await api.get("/30")).status_code == 503
        assert (await api.get("/0")).status_code == 200
        with anyio.fail_after(10):
            while await postgres.run(lambda connection: connection.execute(running).scalar_one()):  # noqa: ASYNC110
                await anyio.sleep(0.05)
