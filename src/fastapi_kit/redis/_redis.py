"""The one module that imports redis-py: how the client is made, and what its errors mean."""

from collections.abc import Awaitable, Callable
from typing import Any, cast

try:
    from redis.asyncio import BlockingConnectionPool, Redis
    from redis.asyncio.retry import Retry
    from redis.backoff import NoBackoff
    from redis.exceptions import (
        ClusterDownError,
        ConnectionError,  # noqa: A004 - the driver's name for it
        NoScriptError,
        OutOfMemoryError,
        ReadOnlyError,
        ResponseError,
        TimeoutError,  # noqa: A004 - the driver's name for it
        TryAgainError,
    )
    from redis.maint_notifications import MaintNotificationsConfig
except ImportError as error:  # pragma: no cover - the extra is installed where tests run
    raise ImportError("fastapi_kit.redis needs redis-py: pip install 'fastapi-kit[redis]'") from error

__all__ = ["REFUSED", "UNREACHABLE", "NoScriptError", "Redis", "ResponseError", "connect", "executor"]

UNREACHABLE = (ConnectionError, TimeoutError, OSError)
"""The server did not answer; the builtin `TimeoutError` is an `OSError`."""

REFUSED = (ClusterDownError, OutOfMemoryError, ReadOnlyError, TryAgainError)
"""The server answered at once that it cannot do this now: full, failing over, or a replica."""


def connect(url: str, *, pool: int, timeout: float) -> "Redis":
    """A client of redis-py that is not connected yet.

    It waits for a free connection, for the network and for each answer at most `timeout` seconds, tries nothing twice,
    and does not let the server stretch its timeouts during maintenance.

    Raises:
        ValueError: The URL is not one of `redis://`, `rediss://` and `unix://`.
    """
    options: dict[str, Any] = {
        "max_connections": pool,
        "timeout": timeout,
        "socket_timeout": timeout,
        "socket_connect_timeout": timeout,
        "retry": Retry(NoBackoff(), 0),
        "driver_info": None,
        "maint_notifications_config": MaintNotificationsConfig(enabled=False),
    }
    untyped: Any = BlockingConnectionPool
    return Redis.from_pool(untyped.from_url(url, **options))


def executor(client: "Redis") -> Callable[..., Awaitable[Any]]:
    """What runs a command of `client`; the driver's types say nothing of it."""
    untyped: Any = client
    return cast("Callable[..., Awaitable[Any]]", untyped.execute_command)
