"""`lock`: a lease that is renewed while a block runs, and whose loss ends the block.

Theory of operation. The holder counts the time of its lease from before it asked, so that it ends by its own clock no
later than by the store's. It renews after a third, and more often while the store does not answer. When time is up, or
the store says that the lease is another's, the block's task is cancelled: it never runs on as if it held the lock,
however long the store is away.
"""

import asyncio
import contextlib
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from random import uniform

from fastapi_kit._clock import SYSTEM_CLOCK, Clock
from fastapi_kit.errors import ServiceUnavailableError
from fastapi_kit.locks._problems import LockLostError, LockTimeoutError
from fastapi_kit.locks._store import LockStore

_SHORTEST_WAIT = 0.01
_LONGEST_WAIT = 0.25


@dataclass(frozen=True, slots=True)
class Held:
    """A lock that is held.

    Attributes:
        name: The lock's.
        token: The fencing token: larger than that of every lease on this name before. Give it to what the lock
            protects, and let that refuse a smaller one than it has seen.
    """

    name: str
    token: int


@asynccontextmanager
async def lock(
    store: LockStore,
    name: str,
    *,
    timeout: float = 10.0,  # noqa: ASYNC109 - it ends the waiting, and not the block
    ttl: float = 10.0,
    clock: Clock = SYSTEM_CLOCK,
) -> AsyncGenerator[Held]:
    """Hold a lock in the block; others with the same store and name wait.

    The lease is renewed while the block runs. If it is lost all the same, as the store cannot be reached for `ttl`
    seconds or has forgotten it, the block's task is cancelled, and `LockLostError` raised once the block has ended. A
    process that is killed holds it for `ttl` seconds more.

    Args:
        store: Where leases are.
        name: What is locked.
        timeout: Seconds to wait for it; 0 tries once.
        ttl: Seconds that a lease lasts without being renewed.
        clock: What time it is.

    Raises:
        LockTimeoutError: Others held it for as long as was waited.
        LockLostError: It was lost in the block.
        ServiceUnavailableError: The store could not be reached in the beginning.
        ValueError: `ttl` is not above 0.
    """
    if not ttl > 0:
        raise ValueError(f"ttl={ttl!r}: a number of seconds above 0, such as 10")
    held, began = await _acquire(store, name, timeout, ttl, clock)
    lease = _Lease(store, held, ttl, clock, ends=began + ttl)
    renewal = asyncio.create_task(lease.keep(), name=f"lock {name}")
    try:
        yield held
    except asyncio.CancelledError:
        if lease.lost and lease.take_back():
            raise LockLostError(name) from None
        raise
    finally:
        renewal.cancel()
        if not lease.lost:
            with contextlib.suppress(ServiceUnavailableError):  # it ends by itself
                await asyncio.shield(store.release(name, held.token))
    if lease.lost:
        with contextlib.suppress(asyncio.CancelledError):  # which the block has not met, or has swallowed
            await asyncio.sleep(0)
        lease.take_back()
        raise LockLostError(name)


async def _acquire(store: LockStore, name: str, patience: float, ttl: float, clock: Clock) -> tuple[Held, float]:
    """The lock, and when it was asked for."""
    deadline = clock.monotonic() + patience
    wait = _SHORTEST_WAIT
    while True:
        began = clock.monotonic()
        token = await store.acquire(name, ttl)
        if token is not None:
            return Held(name, token), began
        left = deadline - clock.monotonic()
        if left <= 0:
            raise LockTimeoutError(name, patience)
        await asyncio.sleep(min(left, uniform(wait / 2, wait)))  # noqa: S311 - so that those who wait do not ask in step
        wait = min(wait * 2, _LONGEST_WAIT)


class _Lease:
    """Renews a lease, and cancels its holder when it is lost."""

    def __init__(self, store: LockStore, held: Held, ttl: float, clock: Clock, *, ends: float) -> None:
        self.lost = False
        self._store, self._held, self._ttl, self._clock, self._ends = store, held, ttl, clock, ends
        holder = asyncio.current_task()
        assert holder is not None  # noqa: S101 - a coroutine runs in one
        self._holder = holder
        self._cancelled_before = holder.cancelling()

    async def keep(self) -> None:
        """Renew until cancelled."""
        while await self._renewed():
            pass
        self.lost = True
        self._holder.cancel()

    def take_back(self) -> bool:
        """Undo the cancellation of the holder; `False` if others have cancelled it, too."""
        return self._holder.uncancel() <= self._cancelled_before

    async def _renewed(self) -> bool:
        """Wait, and renew; whether the lease is still in force."""
        await asyncio.sleep(self._ttl / 3)
        while (left := self._ends - self._clock.monotonic()) > 0:
            began = self._clock.monotonic()
            try:
                async with asyncio.timeout(left):
                    renewed = await self._store.renew(self._held.name, self._held.token, self._ttl)
            except (ServiceUnavailableError, TimeoutError):
                await asyncio.sleep(min(self._ttl / 10, max(0, self._ends - self._clock.monotonic())))
                continue
            self._ends = began + self._ttl
            return renewed
        return False
