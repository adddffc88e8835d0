"""The store in the app's own database, in the transaction of what is written.

Theory of operation. The record is a row that is inserted by the request's session, before that commits: so it is there
if and only if what the endpoint wrote is. Nothing has to be renewed or cleaned up after a crash, as nothing but a
transaction holds a key. On PostgreSQL that is an advisory lock, which is had or refused at once and goes with the
transaction, or with its connection. On MariaDB it is the lock of the row itself: that is inserted when the request
begins, as one that is over, and gets its answer at the end. On SQLite a session is the only writer from its first
statement on, so a second request waits for the first one's commit, and then sees the row.
"""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    LargeBinary,
    MetaData,
    Select,
    SmallInteger,
    String,
    Table,
    delete,
    func,
    insert,
    update,
)
from sqlalchemy import select as sql_select
from sqlalchemy.ext.asyncio import AsyncSession

from fastapi_kit._asgi import packed, unpacked
from fastapi_kit._clock import SYSTEM_CLOCK, Clock
from fastapi_kit.idempotency._mariadb import delete_if_over, insert_held
from fastapi_kit.idempotency._record import Record
from fastapi_kit.idempotency._store import Beginning, Begun, IdempotencyError, InProgress

_OF_MARIADB = frozenset({"mysql", "mariadb"})
_LARGEST = 2**32 - 1
"""Bytes of the body's column: where its type depends on that, as on MariaDB, the largest."""


class SQLIdempotency:
    """Keeps records in a table, each in the transaction of the write that it is about.

    For PostgreSQL, SQLite and MariaDB. Endpoints write by `SessionDep`. The table is part of `metadata`, so it is made
    and migrated with the app's own.

    Args:
        metadata: Of the app's models: `Base.metadata`.
        table: The table's name.
        clock: What tells when a record is over.
    """

    def __init__(self, metadata: MetaData, *, table: str = "idempotency_records", clock: Clock = SYSTEM_CLOCK) -> None:
        self.table = Table(
            table,
            metadata,
            Column("key", String(32), primary_key=True),
            Column("fingerprint", String(32), nullable=False),
            Column("status", SmallInteger, nullable=False),
            Column("headers", LargeBinary, nullable=False),
            Column("body", LargeBinary(_LARGEST), nullable=False),
            Column("expires_at", BigInteger, nullable=False, index=True),
        )
        self._clock = clock

    def on(self, session: AsyncSession) -> "SessionIdempotency":
        """The store within a session's transaction."""
        return SessionIdempotency(self.table, session, self._clock)

    async def purge(self, session: AsyncSession) -> int:
        """Delete the records that are over; returns how many. The caller commits; have a job call it now and then."""
        statement = delete(self.table).where(self.table.c.expires_at <= _epoch(self._clock))
        result: Any = await session.execute(statement)
        count: int = result.rowcount
        return count


class SessionIdempotency:
    """The records as one transaction sees them; made by `SQLIdempotency.on`."""

    def __init__(self, table: Table, session: AsyncSession, clock: Clock) -> None:
        self._table = table
        self._session = session
        self._clock = clock

    async def begin(self, key: str, fingerprint: str, lease: float) -> Beginning:  # noqa: ARG002 - the transaction holds it
        """Take the key until the transaction ends."""
        begun = Begun(key, fingerprint, "")
        if self._is_mariadb:
            return await self._begin_on_mariadb(begun)
        if self._session.get_bind().dialect.name == "postgresql":
            locked = sql_select(func.pg_try_advisory_xact_lock(int.from_bytes(bytes.fromhex(key)[:8], signed=True)))
            if not (await self._session.execute(locked)).scalar_one():
                return InProgress()
        found = (await self._session.execute(self._row(key))).mappings().first()
        if found is not None and found["expires_at"] > _epoch(self._clock):
            return _record_of(found)
        if found is not None:
            await self._session.execute(delete(self._table).where(self._table.c.key == key))
        return begun

    async def _begin_on_mariadb(self, begun: Begun) -> Beginning:
        """Insert the row, whose lock tells others that the request is being carried out."""
        now = _epoch(self._clock)
        found = (await self._session.execute(self._row(begun.key))).mappings().first()
        if found is not None and found["expires_at"] > now:
            return _record_of(found)
        if found is not None and not await delete_if_over(self._session, self._table, begun.key, now):
            return InProgress()
        inserted = await insert_held(self._session, self._table, begun.key, begun.fingerprint)
        if inserted:
            return begun
        if inserted is None:
            return InProgress()
        # It is there, and this transaction may be too old to see it; a locking read sees it.
        seen = (await self._session.execute(self._row(begun.key).with_for_update(read=True))).mappings().first()
        return _record_of(seen) if seen is not None and seen["expires_at"] > now else InProgress()

    def _row(self, key: str) -> Select[Any]:
        return sql_select(self._table).where(self._table.c.key == key)

    @property
    def _is_mariadb(self) -> bool:
        dialect: Any = self._session.get_bind().dialect
        if dialect.name in _OF_MARIADB and not dialect.is_mariadb:
            raise IdempotencyError(
                "SQLIdempotency is for PostgreSQL, SQLite and MariaDB; on MySQL use RedisIdempotency"
            )
        return dialect.name in _OF_MARIADB

    async def renew(self, begun: Begun, lease: float) -> bool:  # noqa: ARG002
        """The transaction holds the key by itself."""
        return True

    async def complete(self, begun: Begun, record: Record, keep: float) -> None:
        """Write the record, for the session to commit."""
        row: dict[str, Any] = {
            "key": begun.key,
            "fingerprint": record.fingerprint,
            "status": record.status,
            "headers": packed(record.headers),
            "body": record.body,
            "expires_at": _epoch(self._clock) + int(keep),
        }
        if self._is_mariadb:
            await self._session.execute(update(self._table).where(self._table.c.key == begun.key).values(row))
        else:
            await self._session.execute(insert(self._table), row)

    async def abandon(self, begun: Begun) -> None:
        """The rollback gives the key back."""


def _record_of(row: Mapping[Any, Any]) -> Record:
    return Record(row["fingerprint"], row["status"], unpacked(row["headers"]), row["body"])


def _epoch(clock: Clock) -> int:
    return int(clock.now().timestamp())
