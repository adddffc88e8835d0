"""What keeps leases: the protocol that all stores are tested against."""

from typing import Protocol


class LockStore(Protocol):
    """Keeps leases on names.

    A lease is held under a fencing token: an integer that is larger with each lease on a name, whoever takes it. What
    the lock protects may refuse a token that is smaller than one that it has seen: then a holder that was asleep when
    its lease ended does no harm (https://martin.kleppmann.com/2016/02/08/how-to-do-distributed-locking.html).
    """

    async def acquire(self, name: str, ttl: float) -> int | None:
        """Take the lease for `ttl` seconds; its token, or `None` if another one is in force.

        Raises:
            ServiceUnavailableError: The store cannot be reached; the lease may have been taken.
        """
        ...

    async def renew(self, name: str, token: int, ttl: float) -> bool:
        """Let the lease of this token last for `ttl` seconds from now; `False` if it is no longer in force.

        Raises:
            ServiceUnavailableError: The store cannot be reached; it may have been renewed.
        """
        ...

    async def release(self, name: str, token: int) -> bool:
        """End the lease of this token; `False` if it was no longer in force, and then nothing has changed.

        Raises:
            ServiceUnavailableError: The store cannot be reached; it may have ended, and will by itself.
        """
        ...
