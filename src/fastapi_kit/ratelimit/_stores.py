"""Where levels are kept: the protocol, and the store in this process."""

from collections import OrderedDict
from typing import Protocol

from fastapi_kit._clock import SYSTEM_CLOCK, Clock
from fastapi_kit.ratelimit._meter import Decision, spend
from fastapi_kit.ratelimit._rules import Rules, share_of


class LimitStore(Protocol):
    """Keeps levels by key, and counts a request as one step that nothing else comes between."""

    @property
    def local(self) -> "MemoryStore":
        """What counts in this process while the store cannot be reached; a store in memory is its own."""
        ...

    async def spend(self, key: str, rules: Rules, cost: int) -> Decision:
        """Count a request of this cost in all rules or in none.

        Raises:
            ServiceUnavailableError: The store cannot be reached.
        """
        ...


class MemoryStore:
    """Keeps levels in this process; for the threads of one event loop.

    Args:
        max_keys: Keys that are remembered at most, about 300 bytes each; beyond that, the one that has not been seen
            for longest is forgotten.
        workers: Processes that serve the app. Each lets its share of the limit pass, at least one request, so that
            together they do not exceed it.
        clock: What time it is.

    Raises:
        ValueError: A number is below 1.
    """

    def __init__(self, *, max_keys: int = 100_000, workers: int = 1, clock: Clock = SYSTEM_CLOCK) -> None:
        if max_keys < 1 or workers < 1:
            raise ValueError(f"max_keys={max_keys}, workers={workers}: both have to be 1 or more")
        self._max_keys, self._workers, self._clock = max_keys, workers, clock
        self._known: OrderedDict[str, Decision] = OrderedDict()

    @property
    def local(self) -> "MemoryStore":
        """This store."""
        return self

    def __len__(self) -> int:
        return len(self._known)

    async def spend(self, key: str, rules: Rules, cost: int) -> Decision:
        """Count a request; the decision's rules are this process's share."""
        return self.count(key, rules, cost)

    def count(self, key: str, rules: Rules, cost: int) -> Decision:
        """`spend`, for those who cannot wait."""
        now = int(self._clock.monotonic() * 1_000)
        if self._workers > 1:
            rules = share_of(rules, self._workers)
        known = self._known.get(key)
        decision = spend(rules, known, cost, now)
        if cost and decision.allowed:
            self._known[key] = decision
            if known:
                self._known.move_to_end(key)
            else:
                self._forget(now)
        return decision

    def clear(self) -> None:
        """Forget everything: all quotas are whole again."""
        self._known.clear()

    def _forget(self, now: int) -> None:
        """With each new key look at two old ones, so that those which are empty go as fast as others come."""
        for _ in range(2):
            key, decision = next(iter(self._known.items()))
            if len(self._known) <= self._max_keys and decision.at + decision.empty_in() > now:
                return
            del self._known[key]
            if not self._known:
                return
