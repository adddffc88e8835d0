"""Fixtures that every test may use."""

import logging
from collections.abc import AsyncGenerator, Iterator
from pathlib import Path

import pytest
import structlog
from sqlalchemy import URL, make_url
from structlog.contextvars import clear_contextvars

from fastapi_kit.db import Database
from tests.databases import emptied, own_database


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """Async tests run on asyncio, the loop that FastAPI apps run on."""
    return "asyncio"


@pytest.fixture(autouse=True)
def logging_as_it_was() -> Iterator[None]:
    """Structlog has its defaults, and the standard library's loggers get back what a test took or gave them."""
    root = logging.getLogger()
    # Set up when a module with an app was imported, which may have been while tests were collected.
    root.handlers = [handler for handler in root.handlers if not type(handler).__module__.startswith("fastapi_kit")]
    loggers = [root, *map(logging.getLogger, logging.root.manager.loggerDict)]
    before = [(logger, logger.handlers[:], logger.level, logger.propagate) for logger in loggers]
    root.setLevel(logging.WARNING)  # an app that a module shares may have asked for less or more
    structlog.reset_defaults()
    clear_contextvars()
    yield
    structlog.reset_defaults()
    clear_contextvars()
    for logger, handlers, level, propagate in before:
        logger.handlers, logger.propagate = handlers, propagate
        logger.setLevel(level)  # not the attribute: loggers remember which levels are on


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[URL]:
    """A PostgreSQL database for this run."""
    with own_database("postgres") as url:
        yield url


@pytest.fixture(scope="session")
def mariadb_url() -> Iterator[URL]:
    """A MariaDB database for this run."""
    with own_database("mariadb") as url:
        yield url


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> URL:
    """A database on each backend that is supported in full."""
    if request.param == "sqlite":
        return make_url(f"sqlite+aiosqlite:///{tmp_path / 'test.db'}")
    url: URL = request.getfixturevalue("postgres_url")
    return url


@pytest.fixture
async def database(database_url: URL) -> AsyncGenerator[Database]:
    """An empty database on each backend that is supported in full."""
    async with emptied(database_url) as database:
        yield database


@pytest.fixture
async def postgres(postgres_url: URL) -> AsyncGenerator[Database]:
    """An empty PostgreSQL database."""
    async with emptied(postgres_url) as database:
        yield database


@pytest.fixture
async def mariadb(mariadb_url: URL) -> AsyncGenerator[Database]:
    """An empty MariaDB database."""
    async with emptied(mariadb_url) as database:
        yield database
