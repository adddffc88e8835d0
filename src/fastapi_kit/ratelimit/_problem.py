"""What a client gets that asks too often."""

from collections.abc import Mapping

from fastapi_kit.errors import Problem


class TooManyRequestsError(Problem):
    """The client has used up its quota.

    Args:
        retry_after: Seconds after which to try again; `None` where that would not help.
        headers: Further header fields.
    """

    status = 429

    def __init__(self, retry_after: int | None = None, *, headers: Mapping[str, str] | None = None) -> None:
        headers = dict(headers or {})
        if retry_after is not None:
            headers["Retry-After"] = str(retry_after)
        super().__init__("Too many requests: the quota is used up.", headers=headers)
