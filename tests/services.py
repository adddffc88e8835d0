"""The servers that some tests need: where each one is, and what becomes of a test whose server is not running."""

import os
import socket
from functools import cache
from urllib.parse import urlsplit

import pytest

_URLS = {
    "postgres": ("TEST_POSTGRES_URL", "postgresql+asyncpg://postgres@127.0.0.1:5432/test"),
    "mariadb": ("TEST_MARIADB_URL", "mysql+asyncmy://root@127.0.0.1:3306/test"),
    "redis": ("TEST_REDIS_URL", "redis://127.0.0.1:6379/0"),
}


def require(service: str) -> str:
    """The URL of `service` (`postgres`, `mariadb` or `redis`), which listens there.

    Where it does not, the calling test or fixture is skipped with the reason, or fails if `REQUIRE_SERVICES=1`, so that
    CI cannot pass by having tested nothing.
    """
    variable, default = _URLS[service]
    url = os.environ.get(variable) or default
    if not _listens(url):
        where = "{0.hostname}:{0.port}".format(urlsplit(url))
        reason = f"{service} does not listen on {where}; start it or set {variable}"
        if os.environ.get("REQUIRE_SERVICES") == "1":
            pytest.fail(reason, pytrace=False)
        pytest.skip(reason)
    return url


@cache
def _listens(url: str) -> bool:
    address = urlsplit(url)
    try:
        socket.create_connection((address.hostname or "127.0.0.1", address.port or 0), timeout=1).close()
    except OSError:
        return False
    return True
