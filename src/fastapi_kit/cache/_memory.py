"""The store in this process: bounded by bytes, the least recently used answers go first."""

from collections import OrderedDict
from collections.abc import Sequence
from itertools import count

from fastapi_kit._clock import SYSTEM_CLOCK, Clock
from fastapi_kit.cache._answer import StoredAnswer
from fastapi_kit.cache._store import Claim

MEBIBYTE = 1024 * 1024


class MemoryCache:
    """Keeps answers in this process; other workers have their own.

    Not for use from several threads.

    Args:
        max_bytes: What all answers together weigh at most, about.
        clock: What tells when an answer, or a claim, is over.

    Raises:
        ValueError: `max_bytes` is not above 0.
    """

    def __init__(self, max_bytes: int = 64 * MEBIBYTE, *, clock: Clock = SYSTEM_CLOCK) -> None:
        if not max_bytes > 0:
            raise ValueError(f"max_bytes={max_bytes!r}: a number of bytes above 0")
        self._max_bytes = max_bytes
        self._clock = clock
        self._answers: OrderedDict[str, tuple[StoredAnswer, Sequence[str], float]] = OrderedDict()
        self._tagged: dict[str, set[str]] = {}
        self._claims: dict[str, tuple[Claim, float]] = {}
        self._tokens = count()
        self.size = 0
        """What the answers weigh now, in bytes."""

    def __len__(self) -> int:
        return len(self._answers)

    async def read(self, key: str, tags: Sequence[str]) -> StoredAnswer | None:  # noqa: ARG002 - forgotten at once here
        """The answer, if there is one."""
        found = self._answers.get(key)
        if found is None:
            return None
        if self._clock.monotonic() >= found[2]:
            self._drop(key)
            return None
        self._answers.move_to_end(key)
        return found[0]

    async def claim(self, key: str, tags: Sequence[str], seconds: float) -> Claim | None:
        """The right to make the answer."""
        now = self._clock.monotonic()
        held = self._claims.get(key)
        if held is not None and now < held[1]:
            return None
        claim = Claim(key, tags, str(next(self._tokens)))
        self._claims[key] = claim, now + seconds
        return claim

    async def write(self, claim: Claim, answer: StoredAnswer) -> None:
        """Store the answer, if it fits at all."""
        if not self._end(claim):
            return
        self._drop(claim.key)
        if answer.size > self._max_bytes:
            return
        self._answers[claim.key] = answer, claim.tags, self._clock.monotonic() + answer.lifetime
        self.size += answer.size
        for tag in claim.tags:
            self._tagged.setdefault(tag, set()).add(claim.key)
        while self.size > self._max_bytes:
            self._drop(next(iter(self._answers)))

    async def release(self, claim: Claim) -> None:
        """End the claim."""
        self._end(claim)

    async def invalidate(self, tags: Sequence[str]) -> None:
        """Forget answers, and the claims by which such answers are made."""
        for tag in tags:
            for key in list(self._tagged.get(tag, ())):
                self._drop(key)
        for key, (claim, _) in list(self._claims.items()):
            if not set(tags).isdisjoint(claim.tags):
                del self._claims[key]

    def _end(self, claim: Claim) -> bool:
        held = self._claims.get(claim.key)
        if held is None or held[0] is not claim:
            return False
        del self._claims[claim.key]
        return True

    def _drop(self, key: str) -> None:
        found = self._answers.pop(key, None)
        if found is None:
            return
        answer, tags, _ = found
        self.size -= answer.size
        for tag in tags:
            keys = self._tagged[tag]
            keys.discard(key)
            if not keys:
                del self._tagged[tag]
