"""The store in the app's own database, in the transaction of what is written.

Theory of operation. The record is a row that is inserted by the request's session, before that commits: so it is there
if and only if what the endpoint wrote is. Nothing has to be renewed or cleaned up after a crash, as nothing but a
transaction holds a key. On PostgreSQL that is an advisory lock, which is had or refused at once and goes with the
transaction, or with its connection. On SQLite a session is the only writer from its first statement on, so a second
request waits for the first one's commit, and then sees the row. On MariaDB two may be carried out at once; the second
one's row violates the primary key, and all that it wrote is rolled back.
"""

from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    LargeBinary,
    MetaData,
    SmallInteger,
    String,
    Table,
    delete,
    func,
    insert,
)
from sqlalchemy import select as sql_select
from sqlalchemy.ext.asyncio import AsyncSession

from fastapi_kit._asgi import packed, unpacked
from fastapi_kit._clock import SYSTEM_CLOCK, Clock
from fastapi_kit.idempotency._record import Record
from fastapi_kit.idempotency._store import Beginning, Begun, InProgress


class SQLIdempotency:
    """Keeps records in a table, each in the transaction of the write that it is about.

    Endpoints write by `SessionDep`. The table is part of `metadata`, so it is made and migrated with the app's own.

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
            Column("body", LargeBinary, nullable=False),
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
        if self._session.get_bind().dialect.name == "postgresql":
            locked = sql_select(func.pg_try_advisory_xact_lock(int.from_bytes(bytes.fromhex(key)[:8], signed=True)))
            if not (await self._session.execute(locked)).scalar_one():
                return InProgress()
        columns = self._table.c
        found = (await self._session.execute(sql_select(self._table).where(columns.key == key))).mappings().first()
        if found is None:
            return Begun(key, fingerprint, "")
        if found["expires_at"] <= _epoch(self._clock):
            await self._session.execute(delete(self._table).where(columns.key == key))
            return Begun(key, fingerprint, "")
        return Record(found["fingerprint"], found["status"], unpacked(found["headers"]), found["body"])

    async def renew(self, begun: Begun, lease: float) -> bool:  # noqa: ARG002
        """The transaction holds the key by itself."""
        return True

    async def complete(self, begun: Begun, record: Record, keep: float) -> None:
        """Write the record, for the session to commit."""
        row = {
            "key": begun.key,
            "fingerprint": record.fingerprint,
            "status": record.status,
            "headers": packed(record.headers),
            "body": record.body,
            "expires_at": _epoch(self._clock) + int(keep),
        }
        await self._session.execute(insert(self._table), row)

    async def abandon(self, begun: Begun) -> None:
        """The rollback gives the key back."""


def _epoch(clock: Clock) -> int:
    return int(clock.now().timestamp())
