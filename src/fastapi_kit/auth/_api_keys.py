"""API keys: long-lived secrets of programs that act for a user.

A key is `<prefix>_<16 characters>_<256 random bits>`. The middle part names it and is shown in lists; of the whole only
its SHA-256 is kept. The prefix lets scanners of code find keys that were committed by mistake.
"""

import hmac
import re
import secrets
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

import sqlalchemy as sa

from fastapi_kit.auth._rotation import digest, new_secret
from fastapi_kit.auth._sql import run
from fastapi_kit.auth._tables import AuthTables
from fastapi_kit.auth._workers import check_workers
from fastapi_kit.db import Database

_KEY = re.compile(r"[a-z][a-z0-9]{0,15}_(?P<id>[0-9a-f]{16})_[A-Za-z0-9_-]{43}")
_FIELDS = ("id", "digest", "user_id", "name", "scopes", "created_at", "expires_at")


@dataclass(frozen=True, slots=True)
class APIKey:
    """What is kept of an API key.

    Attributes:
        id: The part that names it.
        digest: SHA-256 of the whole.
        user_id: For whom it acts.
        name: What it is for.
        scopes: What it may be used for.
        created_at: When it was made.
        expires_at: When it ends by itself; `None` for never.
    """

    id: str
    digest: str
    user_id: str
    name: str
    scopes: tuple[str, ...]
    created_at: datetime
    expires_at: datetime | None = None

    def is_good(self, key: str, now: datetime) -> bool:
        """Whether this is `key`, and it has not ended."""
        return hmac.compare_digest(self.digest, digest(key)) and (self.expires_at is None or self.expires_at > now)


class APIKeyStore(Protocol):
    """Where API keys are kept."""

    @property
    def shared(self) -> bool:
        """Whether all processes see the same keys."""
        ...

    async def add(self, key: APIKey, /) -> None:
        """Keep a key."""
        ...

    async def find(self, key_id: str, /) -> APIKey | None:
        """The key of this name."""
        ...

    async def of_user(self, user_id: str, /) -> list[APIKey]:
        """The keys of a user, in the order in which they were made."""
        ...

    async def remove(self, key_id: str, /, *, user_id: str) -> bool:
        """Forget a key of this user; whether there was one."""
        ...


class MemoryAPIKeyStore:
    """API keys in this process, gone with it.

    Args:
        workers: How many processes serve the app.

    Raises:
        UnsharedStoreError: It is more than one.
    """

    shared = False

    def __init__(self, *, workers: int = 1) -> None:
        check_workers(workers, self.shared)
        self._keys: dict[str, APIKey] = {}

    async def add(self, key: APIKey, /) -> None:
        """Keep a key."""
        self._keys[key.id] = key

    async def find(self, key_id: str, /) -> APIKey | None:
        """The key of this name."""
        return self._keys.get(key_id)

    async def of_user(self, user_id: str, /) -> list[APIKey]:
        """The keys of a user."""
        return [key for key in self._keys.values() if key.user_id == user_id]

    async def remove(self, key_id: str, /, *, user_id: str) -> bool:
        """Forget a key."""
        key = self._keys.get(key_id)
        return key is not None and key.user_id == user_id and self._keys.pop(key_id) is key


class SQLAPIKeyStore:
    """API keys in a database.

    Args:
        database: Where the table is.
        tables: The tables.
    """

    shared = True

    def __init__(self, database: Database, tables: AuthTables) -> None:
        self._database = database
        self._table = tables.api_keys

    async def add(self, key: APIKey, /) -> None:
        """Keep a key."""
        values = {name: getattr(key, name) for name in _FIELDS} | {"scopes": list(key.scopes)}
        await run(self._database, lambda it: it.execute(sa.insert(self._table).values(**values)))

    async def find(self, key_id: str, /) -> APIKey | None:
        """The key of this name."""
        found = await self._select(self._table.c.id == key_id)
        return found[0] if found else None

    async def of_user(self, user_id: str, /) -> list[APIKey]:
        """The keys of a user."""
        return await self._select(self._table.c.user_id == user_id)

    async def remove(self, key_id: str, /, *, user_id: str) -> bool:
        """Forget a key."""
        statement = sa.delete(self._table).where(self._table.c.id == key_id, self._table.c.user_id == user_id)
        return await run(self._database, lambda it: bool(it.execute(statement).rowcount))

    async def _select(self, condition: sa.ColumnElement[bool]) -> list[APIKey]:
        statement = sa.select(self._table).where(condition).order_by(self._table.c.created_at, self._table.c.id)
        return await run(self._database, lambda it: [_key(row) for row in it.execute(statement)])


def _key(row: Any) -> APIKey:
    values: dict[str, Any] = {name: getattr(row, name) for name in _FIELDS}
    values["scopes"] = tuple(row.scopes)
    return APIKey(**values)


def new_api_key(prefix: str = "key") -> tuple[str, str]:
    """A new key's name, and the whole."""
    key_id = secrets.token_hex(8)
    return key_id, f"{prefix}_{key_id}_{new_secret()}"


def api_key_id(key: str) -> str | None:
    """The part of a key that names it; `None` for what no key looks like."""
    found = _KEY.fullmatch(key)
    return found["id"] if found else None
