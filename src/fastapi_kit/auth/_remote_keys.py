"""The keys of an outside issuer: fetched when first needed, kept, and fetched again for a reason.

    nothing is kept          wait for a fetch; if it fails, all who ask are refused until the pause is over
    kept, younger than ttl   use it
    older, but not too old   use it, and fetch in the background
    too old                  as if nothing were kept
    an unknown `kid`         wait for a fetch, unless the last one was within the pause; if it fails, use what is kept

There is one fetch at a time, however many ask, and none more often than once in a pause, whatever tokens come: an
attacker who invents `kid`s gets the issuer asked twice a minute. A fetch belongs to all who wait for it, so it goes on
when one of them gives up.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from fastapi_kit._clock import Clock
from fastapi_kit.auth._jws import Jws
from fastapi_kit.errors import ServiceUnavailableError

logger = logging.getLogger("fastapi_kit.auth")


class IssuerUnavailableError(ServiceUnavailableError):
    """The keys of an outside issuer cannot be had, and none are kept: a token is neither valid nor invalid."""


class FetchError(Exception):
    """A document was not had, or is not what it should be; the message is for the log."""


@dataclass(frozen=True, slots=True)
class KeyCache:
    """How long the keys of an outside issuer are kept; all in seconds.

    Args:
        ttl: After which they are fetched again, in the background.
        stale: After which they are not used, if that has failed ever since. A key that the issuer has withdrawn is
            accepted for so long at most.
        pause: Between two fetches, whatever happens.
        timeout: Of one fetch, all its requests together: the longest that a request waits.
    """

    ttl: float = 3600
    stale: float = 86_400
    pause: float = 30
    timeout: float = 5

    def __post_init__(self) -> None:
        if not 0 < self.timeout <= self.pause <= self.ttl <= self.stale:
            raise ValueError("Each must be positive, and timeout <= pause <= ttl <= stale.")


class RemoteKeys:
    """What verifies the tokens of an outside issuer, fetched by `load`; for one event loop."""

    def __init__(self, issuer: str, load: Callable[[], Awaitable[Jws]], cache: KeyCache, clock: Clock) -> None:
        self._issuer = issuer
        self._load = load
        self._cache = cache
        self._clock = clock
        self._kept: Jws | None = None
        self._loaded_at = self._tried_at = float("-inf")
        self._flight: asyncio.Task[None] | None = None

    @property
    def kept(self) -> Jws | None:
        """What can be used at once, if there is something."""
        return self._kept if self._age() < self._cache.stale else None

    async def current(self) -> Jws:
        """What to verify with now.

        Raises:
            IssuerUnavailableError: Nothing is kept, and nothing can be fetched.
        """
        kept = self.kept
        if kept is None:
            await self._fetch()
            kept = self.kept
            if kept is None:
                raise IssuerUnavailableError(
                    "The issuer of the token cannot be asked for its keys.", retry_after=self._cache.pause
                )
        elif self._age() >= self._cache.ttl:
            self._start()
        return kept

    async def newer_than(self, known: Jws) -> Jws | None:
        """What to verify with if `known` lacks a key; `None` if there is nothing newer."""
        if self._kept is known:
            await self._fetch()
        return None if self._kept is known else self._kept

    def _age(self) -> float:
        return self._clock.monotonic() - self._loaded_at

    async def _fetch(self) -> None:
        flight = self._start()
        if flight is not None:
            await asyncio.shield(flight)

    def _start(self) -> asyncio.Task[None] | None:
        """The fetch that is under way, or a new one; `None` within the pause after the last."""
        if self._flight is not None and not self._flight.done():
            return self._flight
        if self._clock.monotonic() - self._tried_at < self._cache.pause:
            return None
        self._tried_at = self._clock.monotonic()
        self._flight = asyncio.create_task(self._try(), name=f"keys of {self._issuer}")
        return self._flight

    async def _try(self) -> None:
        try:
            async with asyncio.timeout(self._cache.timeout):
                self._kept = await self._load()
        except TimeoutError:
            logger.warning("The keys of %s were not had within %s s.", self._issuer, self._cache.timeout)
        except FetchError as error:
            logger.warning("The keys of %s were not had: %s", self._issuer, error)
        else:
            self._loaded_at = self._clock.monotonic()
