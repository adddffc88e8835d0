"""What is raised, and answered, when Redis cannot be reached."""

from fastapi_kit.errors import ServiceUnavailableError


class RedisUnavailableError(ServiceUnavailableError):
    """A store that the server needs cannot be reached.

    Where nothing catches it, the client gets a 503 with `Retry-After`. What happened is its `__cause__`; it is `None`
    where the server was not asked, as it did not answer a moment ago.

    Args:
        retry_after: Seconds after which to try again.
    """

    def __init__(self, retry_after: float = 1.0) -> None:
        super().__init__("A store that the server needs cannot be reached.", retry_after=retry_after)
