"""Where records are kept: the one seam between idempotency and its stores."""

from dataclasses import dataclass
from typing import Protocol

from fastapi_kit.idempotency._record import Record


class IdempotencyError(RuntimeError):
    """An endpoint cannot be carried out once; the message names the cure."""


@dataclass(frozen=True, slots=True)
class Begun:
    """This request is to be carried out, and holds its key until it is complete or abandoned.

    Attributes:
        key: Of the record.
        fingerprint: Of the request's content.
        token: Tells this attempt from others with the key.
    """

    key: str
    fingerprint: str
    token: str


@dataclass(frozen=True, slots=True)
class InProgress:
    """Another request with the same key is being carried out."""


Beginning = Begun | InProgress | Record
"""What comes of a key: carry it out, wait, or answer as before."""


class IdempotencyStore(Protocol):
    """Keeps records, and lets one request with a key be carried out at a time.

    Methods raise `ServiceUnavailableError` where the store cannot be reached: then nothing is carried out.
    """

    async def begin(self, key: str, fingerprint: str, lease: float) -> Beginning:
        """Take the key for `lease` seconds, or tell why not."""
        ...

    async def renew(self, begun: Begun, lease: float) -> bool:
        """Hold the key for `lease` seconds from now; `False` if it was lost."""
        ...

    async def complete(self, begun: Begun, record: Record, keep: float) -> None:
        """Keep the record for `keep` seconds, if the key is held still."""
        ...

    async def abandon(self, begun: Begun) -> None:
        """Give the key back: nothing was carried out."""
        ...
