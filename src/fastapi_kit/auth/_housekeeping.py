"""Forgetting what is over, now and then, while the app runs.

Each process does so at times of its own. That several do the same costs a statement that finds nothing, so there is no
lock and nobody whose absence would be noticed.
"""

import asyncio
import contextlib
import logging
import random
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import timedelta

from fastapi_kit._clock import Clock
from fastapi_kit.auth._sessions import TokenStore

logger = logging.getLogger("fastapi_kit.auth")


@asynccontextmanager
async def kept_clean(tokens: TokenStore, clock: Clock, every: timedelta) -> AsyncGenerator[None]:
    """Purge a store once in each span of time, in the background, until the block ends."""
    cleaning = asyncio.create_task(_clean_forever(tokens, clock, every.total_seconds()), name="purge of sessions")
    try:
        yield
    finally:
        cleaning.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await cleaning


async def _clean_forever(tokens: TokenStore, clock: Clock, every: float) -> None:
    wait = random.uniform(0, every)  # noqa: S311 - only so that not all processes do so at once
    while True:
        await asyncio.sleep(wait)
        try:
            while await tokens.purge(now=clock.now()):
                pass
        except Exception:
            logger.warning("what is over was not purged; that is tried again in %.0f s", every, exc_info=True)
        wait = every
