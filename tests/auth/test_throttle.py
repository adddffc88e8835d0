"""How often something may be tried."""

import asyncio

import pytest

from fastapi_kit.auth import Backoff, MemoryThrottle
from fastapi_kit.testing import FrozenClock

pytestmark = pytest.mark.anyio

BACKOFF = Backoff(free=2, first=1, longest=8, forget=60)


async def test_attempts_at_once_are_as_many_as_in_turn() -> None:
    """An attempt counts before it is looked at."""
    throttle = MemoryThrottle(clock=FrozenClock())
    waits = await asyncio.gather(*(throttle.attempt("ann", BACKOFF) for _ in range(100)))
    assert waits.count(0.0) == 2


async def test_waiting_doubles_up_to_a_bound() -> None:
    """Each attempt after the wait makes the next wait longer; keys do not know of each other."""
    clock = FrozenClock()
    throttle = MemoryThrottle(clock=clock)
    waits: list[float] = []
    for _ in range(7):
        while wait := await throttle.attempt("ann", BACKOFF):
            waits.append(wait)
            clock.advance(wait)
    assert waits == [1, 2, 4, 8, 8]
    assert await throttle.attempt("bob", BACKOFF) == 0


async def test_attempts_are_forgiven_and_forgotten() -> None:
    """By a success, and by time."""
    clock = FrozenClock()
    throttle = MemoryThrottle(clock=clock)
    for _ in range(2):
        await throttle.attempt("ann", BACKOFF)
    await throttle.forgive("ann")
    assert await throttle.attempt("ann", BACKOFF) == 0
    await throttle.attempt("ann", BACKOFF)
    clock.advance(60)
    assert [await throttle.attempt("ann", BACKOFF) for _ in range(3)] == [0, 0, 1]


async def test_no_more_keys_are_kept_than_allowed() -> None:
    """Invented addresses do not fill the memory."""
    throttle = MemoryThrottle(most=10, clock=FrozenClock())
    for number in range(100):
        await throttle.attempt(f"{number}", BACKOFF)
    assert len(throttle._attempts) == 10  # noqa: SLF001 # pyright: ignore[reportPrivateUsage]
