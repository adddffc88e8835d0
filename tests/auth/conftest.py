"""The stores that every conformance test runs on."""

from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import URL, make_url

from fastapi_kit.auth import MemoryThrottle, Throttle, TokenStore, UserStore
from fastapi_kit.auth.redis import RedisThrottle
from fastapi_kit.testing import FrozenClock
from tests.auth.stores import opened_tokens, opened_users, redis_with_prefix
from tests.services import require

SQL = ["sqlite", *(pytest.param(name, marks=getattr(pytest.mark, name)) for name in ("postgres", "mariadb"))]


def _url(request: pytest.FixtureRequest, tmp_path: Path) -> URL | None:
    if request.param == "sqlite":
        return make_url(f"sqlite+aiosqlite:///{tmp_path / 'auth.db'}")
    if request.param in {"postgres", "mariadb"}:
        url: URL = request.getfixturevalue(f"{request.param}_url")
        return url
    return make_url(require("redis")) if request.param == "redis" else None


@pytest.fixture(params=["memory", *SQL, pytest.param("redis", marks=pytest.mark.redis)])
def token_place(request: pytest.FixtureRequest, tmp_path: Path) -> URL | None:
    """Where sessions are kept; `None` for in memory."""
    return _url(request, tmp_path)


@pytest.fixture(params=["memory", *SQL])
def user_place(request: pytest.FixtureRequest, tmp_path: Path) -> URL | None:
    """Where users are kept; `None` for in memory."""
    return _url(request, tmp_path)


@pytest.fixture
async def token_store(token_place: URL | None) -> AsyncGenerator[TokenStore]:
    """Each store of sessions, empty."""
    async with opened_tokens(token_place) as store:
        yield store


@pytest.fixture
async def user_store(user_place: URL | None) -> AsyncGenerator[UserStore[Any]]:
    """Each store of users, empty."""
    async with opened_users(user_place) as store:
        yield store


@pytest.fixture
def clock() -> FrozenClock:
    """A clock that stands still."""
    return FrozenClock()


@pytest.fixture(params=["memory", pytest.param("redis", marks=pytest.mark.redis)])
async def throttle(request: pytest.FixtureRequest, clock: FrozenClock) -> AsyncGenerator[Throttle]:
    """Each throttle, with nothing counted."""
    if request.param == "memory":
        yield MemoryThrottle(clock=clock)
        return
    async with redis_with_prefix(make_url(require("redis"))) as (redis, prefix):
        yield RedisThrottle(redis, prefix=prefix, clock=clock)
