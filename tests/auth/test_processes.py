"""What holds between processes: one success among many uses of a token, and a logout that is known everywhere."""

import asyncio
import json
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import uuid4

import pytest
from sqlalchemy import URL, make_url

from fastapi_kit.auth import SQLTokenStore, TokenReference, TokenStore
from fastapi_kit.auth.redis import RedisTokenStore
from tests.auth.accounts import NOW, make_session, make_token, tables
from tests.auth.stores import database_with_tables, redis_with_prefix
from tests.services import require

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

ROOT = Path(__file__).parents[2]
PLACES = [pytest.param(name, marks=getattr(pytest.mark, name)) for name in ("postgres", "mariadb", "redis")]


@pytest.fixture(params=PLACES)
def place(request: pytest.FixtureRequest) -> URL:
    """Where both processes keep their sessions."""
    if request.param == "redis":
        return make_url(require("redis"))
    url: URL = request.getfixturevalue(f"{request.param}_url")
    return url


@asynccontextmanager
async def shared(place: URL) -> AsyncGenerator[tuple[TokenStore, str]]:
    """A store, and the prefix by which another process finds the same."""
    if place.get_backend_name() == "redis":
        async with redis_with_prefix(place) as (client, prefix):
            yield RedisTokenStore(client, prefix=prefix), prefix
    else:
        async with database_with_tables(place) as database:
            yield SQLTokenStore(database, tables), uuid4().hex


async def run_worker(place: URL, *arguments: str) -> list[str]:
    """What a process of its own answers."""
    url = place.render_as_string(hide_password=False)
    command = [sys.executable, "-m", "tests.auth.worker", url, *arguments]
    process = await asyncio.create_subprocess_exec(*command, cwd=ROOT, stdout=asyncio.subprocess.PIPE)
    output, _ = await asyncio.wait_for(process.communicate(), timeout=60)
    assert process.returncode == 0
    answers: list[str] = json.loads(output)
    return answers


@pytest.mark.parametrize("repeat", range(2))
async def test_of_fifty_uses_in_two_processes_one_succeeds(place: URL, repeat: int) -> None:
    """Twenty-five at once in each of two processes: one token, one successor."""
    token = make_token()
    async with shared(place) as (store, prefix):
        await store.open(make_session(), token.digest)
        found = await asyncio.gather(*(run_worker(place, prefix, "rotate", token.text, "25") for _ in range(2)))
        outcomes = [outcome for answers in found for outcome in answers]
        assert len(outcomes) == 50
        assert outcomes.count("rotated") == 1
        assert await store.sessions("ann", now=NOW) == []


async def test_a_logout_is_known_in_another_process_at_once(place: URL) -> None:
    """Both ask the same store in each request."""
    token = make_token()
    async with shared(place) as (store, prefix):
        await store.open(make_session(), token.digest)
        reference = TokenReference("jti", "ann", NOW.timestamp(), token.session_id)
        assert await store.admits(reference, now=NOW)
        assert await run_worker(place, prefix, "close", token.session_id) == ["True"]
        assert not await store.admits(reference, now=NOW)
