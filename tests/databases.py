"""Databases for tests: one of its own for each backend and run, emptied before each test."""

import asyncio
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from uuid import uuid4

from sqlalchemy import URL, make_url, text
from sqlalchemy.ext.asyncio import create_async_engine

from fastapi_kit.db import Database, Pool
from tests.services import require


@contextmanager
def own_database(service: str) -> Generator[URL]:
    """A new database on the server of `service`, dropped at the end."""
    server = make_url(require(service))
    name = f"fastapi_kit_{uuid4().hex[:12]}"
    asyncio.run(_execute(server, f"CREATE DATABASE {name}"))
    try:
        yield server.set(database=name)
    finally:
        force = " WITH (FORCE)" if service == "postgres" else ""
        asyncio.run(_execute(server, f"DROP DATABASE {name}{force}"))


@asynccontextmanager
async def emptied(url: URL) -> AsyncGenerator[Database]:
    """The database at `url`, without the tables of earlier tests."""
    if url.get_backend_name() == "postgresql":
        await _execute(url, "DROP SCHEMA public CASCADE", "CREATE SCHEMA public")
    elif url.get_backend_name() == "mysql":
        await _execute(url, f"DROP DATABASE {url.database}", f"CREATE DATABASE {url.database}")
    database = Database(url, pool=Pool(timeout=30))  # patient, as machines that run tests are busy
    try:
        yield database
    finally:
        await database.dispose()


async def _execute(url: URL, *statements: str) -> None:
    engine = create_async_engine(url, isolation_level="AUTOCOMMIT")
    async with engine.connect() as connection:
        for statement in statements:
            await connection.execute(text(statement))
    await engine.dispose()
