"""An empty database for one run: a SQLite file in a temporary folder, or a PostgreSQL database dropped after it."""

import os
import tempfile
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from sqlalchemy import URL, make_url, text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from ._mode import Say

POSTGRES_URL = "postgresql+asyncpg://postgres@127.0.0.1:5432/test"
"""Where PostgreSQL is unless TEST_POSTGRES_URL says otherwise; the user has to be allowed to create databases."""


class UnreachableError(Exception):
    """This kind of database cannot be had here; the message says why."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where one run keeps its rows: a short name for the report and an async SQLAlchemy URL."""

    name: str
    url: str


T = TypeVar("T")
Measure = Callable[[Place, Say], Awaitable[list[T]]]


async def on_each(
    kinds: Iterable[Callable[[], AbstractAsyncContextManager[Place]]], measure: Measure[T], say: Say
) -> list[T]:
    """Measure on an empty database of every kind that can be had, and say which cannot."""
    results: list[T] = []
    for opened in kinds:
        try:
            async with opened() as place:
                results += await measure(place, say)
        except UnreachableError as error:
            say(f"skipped, {error}")
    return results


@asynccontextmanager
async def sqlite() -> AsyncGenerator[Place]:
    """An empty SQLite file."""
    with tempfile.TemporaryDirectory(prefix="fastapi-kit-bench-") as folder:
        yield Place("sqlite", f"sqlite+aiosqlite:///{Path(folder) / 'bench.db'}")


@asynccontextmanager
async def postgres() -> AsyncGenerator[Place]:
    """An empty database on the PostgreSQL server of `TEST_POSTGRES_URL`.

    Raises:
        UnreachableError: There is no server, or it refuses to create a database.
    """
    server = make_url(os.environ.get("TEST_POSTGRES_URL", POSTGRES_URL)).set(drivername="postgresql+asyncpg")
    name = f"fastapi_kit_bench_{os.getpid()}"
    engine = create_async_engine(server, isolation_level="AUTOCOMMIT")
    try:
        await _create(engine, name, server)
        try:
            yield Place("postgres", server.set(database=name).render_as_string(hide_password=False))
        finally:
            await _execute(engine, f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
    finally:
        await engine.dispose()


async def _create(engine: AsyncEngine, name: str, server: URL) -> None:
    try:
        await _execute(engine, f'CREATE DATABASE "{name}"')
    except (OSError, SQLAlchemyError) as error:
        raise UnreachableError(f"PostgreSQL at {server.host}:{server.port}: {error}") from error


async def _execute(engine: AsyncEngine, statement: str) -> None:
    async with engine.connect() as connection:
        await connection.execute(text(statement))
