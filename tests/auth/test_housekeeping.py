"""What is over is forgotten while an app runs."""

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest

from fastapi_kit.auth import AuthOptions, MemoryTokenStore, Ticket, TokenStore
from fastapi_kit.auth._housekeeping import kept_clean
from fastapi_kit.auth.redis import RedisTokenStore
from fastapi_kit.testing import FrozenClock
from tests.auth.accounts import NOW, make_session, make_token
from tests.auth.services import Service, log_in

pytestmark = pytest.mark.anyio

SOON = timedelta(milliseconds=5)


async def until(condition: Callable[[], bool]) -> None:
    """Wait for what is done in the background."""
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 - nothing tells of it
            await asyncio.sleep(0.005)


class Watched(MemoryTokenStore):
    """A store that counts, and that fails as often as it is told."""

    def __init__(self, failures: int = 0) -> None:
        super().__init__()
        self.failures, self.purged, self.looks = failures, 0, 0

    async def purge(self, *, now: datetime) -> int:
        """Fail, or purge."""
        self.looks += 1
        if self.failures:
            self.failures -= 1
            raise OSError
        found = await super().purge(now=now)
        self.purged += found
        return found


async def test_an_app_forgets_sessions_that_are_over() -> None:
    """Its lifespan has the store purged by the app's clock, and only while it runs."""
    tokens = Watched()
    service = Service(parts={"tokens": tokens, "options": AuthOptions(purge_every=SOON)})
    await service.add()
    async with service.client() as api:
        await log_in(api)
        await until(lambda: tokens.looks > 3)
        assert tokens.purged == 0
        service.clock.advance(timedelta(days=30))
        await until(lambda: tokens.purged == 1)
    looks = tokens.looks
    await asyncio.sleep(0.05)
    assert tokens.looks == looks


async def test_a_store_that_fails_is_asked_again(caplog: pytest.LogCaptureFixture) -> None:
    """An outage is a warning in the log."""
    tokens = Watched(failures=2)
    await tokens.open(make_session(lasts=timedelta(0)), make_token().digest)
    async with kept_clean(tokens, FrozenClock(NOW), SOON):
        await until(lambda: tokens.purged == 1)
    assert [record.levelname for record in caplog.records] == ["WARNING"] * 2


async def test_much_is_forgotten_in_steps(token_store: TokenStore) -> None:
    """A database locks so many rows at a time at most, memory locks none, and Redis drops what is over by itself."""
    expected: dict[type[TokenStore], list[int]] = {MemoryTokenStore: [2_500], RedisTokenStore: []}
    await fill(token_store, 2_500)
    await token_store.open(make_session(), make_token().digest)
    later = NOW + timedelta(hours=1)
    steps: list[int] = []
    while done := await token_store.purge(now=later):
        steps.append(done)
    assert steps == expected.get(type(token_store), [1_000, 1_000, 500])
    assert len(await token_store.sessions("ann", now=later)) == 1


async def test_several_may_purge_at_once(token_store: TokenStore) -> None:
    """Nothing is counted twice, and nobody hinders the others for good."""
    await fill(token_store, 300)
    found = await asyncio.gather(*(token_store.purge(now=NOW + timedelta(hours=1)) for _ in range(4)))
    assert sum(found) == (0 if isinstance(token_store, RedisTokenStore) else 300)


async def fill(store: Any, number: int) -> None:
    """Have a store keep so many tickets that end in a minute."""
    ticket = Ticket("reset", "ann", "", NOW + timedelta(minutes=1))
    for at in range(0, number, 100):
        await asyncio.gather(*(store.issue(f"{each:064}", ticket, now=NOW) for each in range(at, at + 100)))
