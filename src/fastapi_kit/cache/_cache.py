"""`Cache`: a store, and what the requests of one app share besides it."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, Protocol

from starlette.applications import Starlette

from fastapi_kit._clock import SYSTEM_CLOCK, Clock
from fastapi_kit.cache._flights import Flights
from fastapi_kit.cache._memory import MEBIBYTE, MemoryCache
from fastapi_kit.cache._store import CacheStore

logger = logging.getLogger("fastapi_kit.cache")

_MOST_REFRESHES = 100
"""Answers that are made anew in the background at a time; further stale ones wait for another request."""


class Change(Protocol):
    """What a write has changed; `crud.Changed` is one."""

    @property
    def resource(self) -> str:
        """The resource's name."""
        ...

    @property
    def keys(self) -> Sequence[Any]:
        """What names the rows."""
        ...


class Cache:
    """The response cache of one app.

        cache = Cache()
        app = FastAPI(lifespan=compose(cache.lifespan))
        app.add_middleware(CacheMiddleware, cache=cache)

    Args:
        store: Where answers are kept; by default in this process, up to 64 MiB.
        lease: Seconds that a process has to make an answer before another one may try.
        max_entry_bytes: Bytes of the largest body that is stored.
        clock: What tells how old an answer is.

    Raises:
        ValueError: A number is not above 0.
    """

    def __init__(
        self,
        store: CacheStore | None = None,
        *,
        lease: float = 30.0,
        max_entry_bytes: int = MEBIBYTE,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        if not (lease > 0 and max_entry_bytes > 0):
            raise ValueError(f"lease={lease!r}, max_entry_bytes={max_entry_bytes!r}: both are above 0")
        self.store: CacheStore = MemoryCache(clock=clock) if store is None else store
        self.lease = lease
        self.max_entry_bytes = max_entry_bytes
        self.flights = Flights()
        self._clock = clock
        self._refreshes: dict[str, asyncio.Task[None]] = {}

    def now(self) -> float:
        """Seconds since the epoch, on a clock that all processes have."""
        return self._clock.now().timestamp()

    async def invalidate(self, *tags: str) -> None:
        """Forget all answers that have one of these tags, also those that are being made now.

        Call it after the commit of what it is about, as by `db.after_commit`: what is read before may be stored again.

        Raises:
            CacheUnavailableError: The store cannot be reached; its answers live on until their time is over.
        """
        await self.store.invalidate(tags)

    async def forget(self, changed: Change) -> None:
        """A listener for `CRUDRouter.after_commit`: forget what has the tag of the resource, or of a changed row.

        The tags are `book` and `book:1` for the resource `book` and the key 1; parts of a composite key are joined by
        commas.
        """
        await self.invalidate(changed.resource, *(f"{changed.resource}:{_joined(key)}" for key in changed.keys))

    def refresh(self, key: str, work: Coroutine[Any, Any, None]) -> None:
        """Make the answer of a key anew in the background, unless that is being done."""
        if key in self._refreshes or len(self._refreshes) >= _MOST_REFRESHES:
            work.close()
            return
        task = asyncio.create_task(work, name=f"refresh of {key}")
        self._refreshes[key] = task
        task.add_done_callback(lambda done: self._ended(key, done))

    @asynccontextmanager
    async def lifespan(self, app: Starlette) -> AsyncGenerator[Mapping[str, Any]]:  # noqa: ARG002 - as all resources
        """The lifespan resource: puts this cache into the requests' state as `cache`, and ends its work at the end."""
        try:
            yield {"cache": self}
        finally:
            tasks = list(self._refreshes.values())
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def _ended(self, key: str, task: asyncio.Task[None]) -> None:
        del self._refreshes[key]
        if not task.cancelled() and (error := task.exception()) is not None:
            logger.warning("An answer could not be made anew; the stale one is given on.", exc_info=error)


def _joined(key: Any) -> str:
    return ",".join(map(str, key)) if isinstance(key, tuple) else str(key)  # pyright: ignore[reportUnknownArgumentType]
