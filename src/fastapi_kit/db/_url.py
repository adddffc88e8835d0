"""Database URLs: the async driver each backend is spoken to with."""

from dataclasses import dataclass

from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError


class DatabaseURLError(ValueError):
    """The database URL cannot be used; the message names the cure and never shows the password."""


@dataclass(frozen=True)
class _Backend:
    driver: str
    """The driver that the kit chooses."""
    others: frozenset[str]
    """Further async drivers that are accepted when the URL names them."""
    extra: str
    """The extra that installs `driver`."""


_BACKENDS = {
    "postgresql": _Backend("asyncpg", frozenset({"psycopg"}), "postgres"),
    "sqlite": _Backend("aiosqlite", frozenset(), "sqlite"),
    "mysql": _Backend("asyncmy", frozenset({"aiomysql"}), "mysql"),
    "mariadb": _Backend("asyncmy", frozenset({"aiomysql"}), "mysql"),
}
_ALIASES = {"postgres": "postgresql"}


def async_url(url: str | URL) -> URL:
    """Give `url` its async driver: `postgres://…` becomes `postgresql+asyncpg://…`.

    `sslmode` in a PostgreSQL URL, as hosting providers write it, becomes asyncpg's `ssl`.

    Raises:
        DatabaseURLError: `url` is no URL, names an unknown backend, or names a driver that blocks the event loop.
    """
    parsed = _parse(url)
    name, _, driver = parsed.drivername.partition("+")
    backend_name = _ALIASES.get(name, name)
    backend = _BACKENDS.get(backend_name)
    if backend is None:
        known = ", ".join(sorted(_BACKENDS))
        raise DatabaseURLError(f"unknown database backend {name!r}: the URL must begin with one of {known}")
    if driver and driver != backend.driver and driver not in backend.others:
        cure = f"{backend_name}+{backend.driver}"
        raise DatabaseURLError(
            f"the driver {driver!r} blocks the event loop: write {backend_name}:// or {cure}:// "
            f"(pip install 'fastapi-kit[{backend.extra}]')"
        )
    chosen = parsed.set(drivername=f"{backend_name}+{driver or backend.driver}")
    return _with_ssl(chosen) if chosen.drivername == "postgresql+asyncpg" else chosen


def extra_for(url: URL) -> str:
    """The name of the extra that installs the driver of `url`."""
    return _BACKENDS[url.get_backend_name()].extra


def is_memory(url: URL) -> bool:
    """Whether `url` is a SQLite database that lives in memory only."""
    return url.get_backend_name() == "sqlite" and (
        url.database in {None, "", ":memory:"} or "mode=memory" in (url.database or "")
    )


def _parse(url: str | URL) -> URL:
    try:
        return make_url(url)
    except ArgumentError:
        # SQLAlchemy's own message repeats the string, and with it the password.
        raise DatabaseURLError(
            "the database URL cannot be parsed: it has the form backend://user:password@host:port/name"
        ) from None


def _with_ssl(url: URL) -> URL:
    mode = url.query.get("sslmode")
    if mode is None:
        return url
    return url.difference_update_query(["sslmode"]).update_query_dict({"ssl": mode})
