"""How often something secret may be guessed.

Theory of operation. An attempt is counted before it is looked at, in the same step that decides whether it may be made,
so that a thousand at once are no more than a thousand in turn. One that succeeds is forgiven. After a number that
people need, each further attempt has to wait twice as long as the one before, up to a bound: an account is slowed down
for whoever guesses, and its owner is never locked out for longer than the bound.
"""

from collections import OrderedDict
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from fastapi_kit._clock import SYSTEM_CLOCK, Clock


@dataclass(frozen=True, slots=True)
class Backoff:
    """How fast attempts slow down.

    Args:
        free: Attempts that need not wait.
        first: Seconds that the one after those waits; each further one waits twice as long.
        longest: Seconds that an attempt waits at most.
        forget: Seconds without an attempt after which all is forgotten.
    """

    free: int
    first: float = 1.0
    longest: float = 60.0
    forget: float = 3_600.0

    def wait_after(self, attempts: int) -> float:
        """Seconds that the next attempt waits after so many."""
        beyond = attempts - self.free
        return 0.0 if beyond < 0 else min(self.longest, self.first * 2.0 ** min(beyond, 64))


class Throttle(Protocol):
    """Counts attempts by key, such as an account or an address."""

    async def attempt(self, key: str, backoff: Backoff, /) -> float:
        """Count an attempt, if it may be made: 0 if so, else the seconds until one may be."""
        ...

    async def forgive(self, key: str, /) -> None:
        """Forget the attempts of a key: one has succeeded."""
        ...


class Attempts(NamedTuple):
    """What is known of a key: how many attempts were made, when the next may be made, and when all is forgotten."""

    number: int
    next_at: float
    forgotten_at: float


def attempted(known: Attempts | None, backoff: Backoff, now: float) -> tuple[float, Attempts]:
    """Decide about an attempt: 0 and what is known from now on, or else the seconds until one may be made."""
    if known is None or known.forgotten_at <= now:
        known = Attempts(0, now, now)
    if known.next_at > now:
        return min(known.next_at - now, backoff.longest), known  # the difference of two sums may be a bit more
    number = known.number + 1
    next_at = now + backoff.wait_after(number)
    return 0.0, Attempts(number, next_at, max(next_at, now + backoff.forget))


class MemoryThrottle:
    """Counts in this process; several workers let through as many times more.

    Args:
        most: Keys at most; beyond them the one that was used longest ago is forgotten.
        clock: What tells the time.
    """

    def __init__(self, *, most: int = 100_000, clock: Clock = SYSTEM_CLOCK) -> None:
        self._most = most
        self._clock = clock
        self._attempts: OrderedDict[str, Attempts] = OrderedDict()

    async def attempt(self, key: str, backoff: Backoff, /) -> float:
        """Count an attempt, if it may be made."""
        wait, self._attempts[key] = attempted(self._attempts.get(key), backoff, self._clock.monotonic())
        self._attempts.move_to_end(key)
        if len(self._attempts) > self._most:
            self._attempts.popitem(last=False)
        return wait

    async def forgive(self, key: str, /) -> None:
        """Forget the attempts of a key."""
        self._attempts.pop(key, None)


class NoThrottle:
    """Lets every attempt through: for tests, or where a gateway does it."""

    async def attempt(self, key: str, backoff: Backoff, /) -> float:  # noqa: ARG002 - the protocol's
        """0, always."""
        return 0.0

    async def forgive(self, key: str, /) -> None:
        """Nothing to forget."""
