"""URLs get the async driver of their backend."""

import pytest

from fastapi_kit.db import Database, DatabaseURLError, async_url


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("postgres://u:p@h:5432/d", "postgresql+asyncpg://u:p@h:5432/d"),
        ("postgresql://h/d", "postgresql+asyncpg://h/d"),
        ("postgresql+psycopg://h/d", "postgresql+psycopg://h/d"),
        ("postgres://h/d?sslmode=require", "postgresql+asyncpg://h/d?ssl=require"),
        ("sqlite:///x.db", "sqlite+aiosqlite:///x.db"),
        ("sqlite://", "sqlite+aiosqlite://"),
        ("mysql://h/d", "mysql+asyncmy://h/d"),
        ("mariadb://h/d", "mariadb+asyncmy://h/d"),
    ],
)
def test_driver(given: str, expected: str) -> None:
    """The backend's driver is filled in, and an async one that was named is kept."""
    assert async_url(given).render_as_string(hide_password=False) == expected


@pytest.mark.parametrize(
    ("given", "cure"),
    [
        ("postgresql+psycopg2://h/d", "postgresql+asyncpg://"),
        ("sqlite+pysqlite:///x", "fastapi-kit[sqlite]"),
        ("mysql+pymysql://h/d", "mysql+asyncmy://"),
        ("oracle://h/d", "mariadb, mysql, postgresql, sqlite"),
        ("no url, but secret", "backend://user:password@host:port/name"),
    ],
)
def test_refused(given: str, cure: str) -> None:
    """What blocks the event loop, or is unknown, is refused with the cure, and without the URL."""
    with pytest.raises(DatabaseURLError) as caught:
        Database(given)
    assert cure in str(caught.value)
    assert "secret" not in str(caught.value)
