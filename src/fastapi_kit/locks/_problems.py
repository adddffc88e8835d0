"""What goes wrong with a lock."""

from fastapi_kit.errors import ServiceUnavailableError


class LockTimeoutError(ServiceUnavailableError):
    """Others held the lock for as long as was waited; answered as a 503 where nothing catches it.

    Args:
        name: The lock's.
        timeout: Seconds that were waited.
    """

    def __init__(self, name: str, timeout: float) -> None:
        super().__init__("The resource is in use; try again later.", retry_after=1)
        self.name = name
        self.timeout = timeout


class LockLostError(ServiceUnavailableError):
    """The lease ended in the block, which was cancelled; answered as a 503 where nothing catches it.

    Args:
        name: The lock's.
    """

    def __init__(self, name: str) -> None:
        super().__init__("The work was interrupted; try again later.", retry_after=1)
        self.name = name
