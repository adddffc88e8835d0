"""Doing a unit of work again that the database gave up in favour of another one."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import TypeVar

from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from fastapi_kit.db._problems import transaction_conflict
from fastapi_kit.db._transient import transience_of

T = TypeVar("T")

_FIRST_PAUSE = 0.02
"""Seconds at most before the second attempt; twice as long before each further one."""


async def repeat(
    sessions: async_sessionmaker[AsyncSession], unit: Callable[[AsyncSession], Awaitable[T]], attempts: int
) -> T:
    """Run `unit` in a new session and commit it, up to `attempts` times while others get in its way.

    Only what was rolled back is done again: after a lost connection nobody knows whether the COMMIT has taken effect.

    Raises:
        ValueError: `attempts` is below 1.
        TransactionConflictError: The last attempt was given up as well.
    """
    if attempts < 1:
        raise ValueError(f"attempts={attempts}: the work is done at least once")
    for attempt in range(attempts):
        try:
            async with sessions() as session:
                result = await unit(session)
                await session.commit()
                return result
        except Exception as error:
            if transience_of(error) != "conflict":
                raise
            if attempt == attempts - 1:
                raise transaction_conflict() from error
        # At a random time: two that were in each other's way would meet again otherwise.
        await asyncio.sleep(random.uniform(0, _FIRST_PAUSE * 2**attempt))  # noqa: S311 - nobody gains by guessing it
    raise AssertionError("unreachable")
