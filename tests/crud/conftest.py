"""Fixtures of the tests of CRUD routes."""

from collections.abc import AsyncGenerator

import httpx2
import pytest

from fastapi_kit.db import Database
from fastapi_kit.testing import client
from tests.crud.library import ROUTERS, app_with, create_tables


@pytest.fixture
async def api(database: Database) -> AsyncGenerator[httpx2.AsyncClient]:
    """A client of an app that serves all models of the library, from empty tables."""
    await create_tables(database)
    async with client(app_with(database, *ROUTERS)) as api:
        yield api
