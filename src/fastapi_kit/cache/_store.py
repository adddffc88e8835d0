"""Where answers are kept: the one seam between the cache and its stores."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from fastapi_kit.cache._answer import StoredAnswer


class CacheUnavailableError(Exception):
    """The store cannot be reached; the route answers by itself meanwhile."""


@dataclass(frozen=True, slots=True)
class Claim:
    """The right to make the answer of a key, held by one request of all processes at a time.

    Attributes:
        key: Of the answer.
        tags: Of the answer.
        token: Tells this claim from others of the same key.
        versions: Of the tags when the claim was made, in their order; empty where the store needs none.
    """

    key: str
    tags: Sequence[str]
    token: str
    versions: Sequence[bytes] = field(default=())


class CacheStore(Protocol):
    """Keeps answers, forgets them by tag, and lets one at a time be made.

    A tag that is forgotten takes effect on answers that are being made, too: what was claimed before is not stored
    after. All methods may raise `CacheUnavailableError`, within a bounded time.
    """

    async def read(self, key: str, tags: Sequence[str]) -> StoredAnswer | None:
        """The answer, also one that is no longer fresh; `None` if there is none, or one of its tags was forgotten."""
        ...

    async def claim(self, key: str, tags: Sequence[str], seconds: float) -> Claim | None:
        """The right to make the answer, for that long at most; `None` while somebody else has it."""
        ...

    async def write(self, claim: Claim, answer: StoredAnswer) -> None:
        """Store the answer, unless the claim was lost or a tag was forgotten since; the claim ends."""
        ...

    async def release(self, claim: Claim) -> None:
        """End the claim without an answer."""
        ...

    async def invalidate(self, tags: Sequence[str]) -> None:
        """Forget all answers that have one of these tags."""
        ...
