"""The one module that imports redis-py: how the client is made, and what its errors mean."""

from collections.abc import Callable, Mapping
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

__all__ = [
    "REFUSED",
    "UNREACHABLE",
    "NoScriptError",
    "Redis",
    "ResponseError",
    "connect",
    "connection_maker",
    "meaning_of",
]

UNREACHABLE = (ConnectionError, TimeoutError, OSError)
"""The server did not answer; the builtin `TimeoutError` is an `OSError`."""

REFUSED = (ClusterDownError, OutOfMemoryError, ReadOnlyError, TryAgainError)
"""The server answered at once that it cannot do this now: full, failing over, or a replica."""


def connect(url: str, *, pool: int, timeout: float) -> "Redis":
    """A client of redis-py that is not connected yet.

    It waits for a free connection, for the network and for each answer at most `timeout` seconds.

    Raises:
        ValueError: The URL is not one of `redis://`, `rediss://` and `unix://`.
    """
    return Redis.from_pool(_pool(url, timeout, max_connections=pool, timeout=timeout, socket_timeout=timeout))


def connection_maker(url: str, *, timeout: float) -> Callable[[], Any]:
    """What makes connections that wait for `timeout` seconds while they connect, and then for as long as they are let.

    Raises:
        ValueError: As for `connect`.
    """
    untyped: Any = _pool(url, timeout, socket_timeout=None)
    return cast("Callable[[], Any]", untyped.make_connection)


def meaning_of(client: "Redis") -> Mapping[str, Callable[[Any], Any]]:
    """What the client makes of the answers to some commands; the driver's types say nothing of it."""
    untyped: Any = client
    return cast("Mapping[str, Callable[[Any], Any]]", untyped.response_callbacks)


def _pool(url: str, connect_timeout: float, **options: Any) -> BlockingConnectionPool:
    """Connections that try nothing twice, and do not let the server stretch timeouts during maintenance."""
    untyped: Any = BlockingConnectionPool
    pool: BlockingConnectionPool = untyped.from_url(
        url,
        socket_connect_timeout=connect_timeout,
        retry=Retry(NoBackoff(), 0),
        driver_info=None,
        maint_notifications_config=MaintNotificationsConfig(enabled=False),
        **options,
    )
    return pool
