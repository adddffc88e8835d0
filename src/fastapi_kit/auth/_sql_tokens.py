"""Sessions in tables beside the app's own."""

from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from fastapi_kit.auth._sessions import (
    UNKNOWN,
    LoginSession,
    Rotation,
    Ticket,
    TicketPurpose,
    TokenReference,
)
from fastapi_kit.auth._sql import is_duplicate, run, transaction
from fastapi_kit.auth._tables import AuthTables
from fastapi_kit.db import Database, UTCDateTime

_FIELDS = (
    *("id", "user_id", "scopes", "authenticated_at", "last_used_at", "expires_at"),
    *("address", "user_agent"),
)


class SQLTokenStore:
    """Sessions in a database, where a logout holds for every process.

    Each request of a user asks it once, by primary keys, in one statement. Put `RedisTokenStore` in its place where
    that is too much.

    Args:
        database: Where the tables are.
        tables: The tables.
    """

    shared = True

    def __init__(self, database: Database, tables: AuthTables) -> None:
        self._database = database
        self._tables = tables
        self._admits = _admits(tables)

    async def open(self, session: LoginSession, refresh_digest: str, /) -> None:
        """Begin a session."""
        values = {name: getattr(session, name) for name in _FIELDS} | {"scopes": list(session.scopes)}
        async with transaction(self._database) as connection:
            await connection.execute(sa.insert(self._tables.sessions), values)
            await self._add_token(connection, session.id, refresh_digest)

    async def rotate(
        self, session_id: str, presented: str, successor: str, /, *, now: datetime, grace: timedelta = timedelta()
    ) -> Rotation:
        """Use a refresh token up.

        The session's row is locked first, so that what happens to one session happens in turn: without it, a rotation
        and the end of the session would lock the same rows in opposite orders. The token itself is used up by an UPDATE
        with a condition, which holds with any locking.
        """
        tokens = self._tables.refresh_tokens
        async with transaction(self._database) as connection:
            session = await self._locked(connection, session_id)
            if session is None or session.expires_at <= now:
                return UNKNOWN
            this = (tokens.c.session_id == session_id, tokens.c.digest == presented)
            use = sa.update(tokens).where(*this, tokens.c.used_at.is_(None)).values(used_at=now)
            if (await connection.execute(use)).rowcount:
                return Rotation("rotated", await self._renew(connection, session, successor, now))
            used_at = (await connection.execute(sa.select(tokens.c.used_at).where(*this))).scalar_one_or_none()
            if used_at is None:
                return UNKNOWN
            if now - used_at < grace:
                return Rotation("repeated", await self._renew(connection, session, successor, now))
            await self._end(connection, self._tables.sessions.c.id == session_id)
            return Rotation("reused", session)

    async def sessions(self, user_id: str, /, *, now: datetime) -> list[LoginSession]:
        """The sessions of a user."""
        table = self._tables.sessions
        statement = (
            sa.select(table)
            .where(table.c.user_id == user_id, table.c.expires_at > now)
            .order_by(table.c.last_used_at.desc(), table.c.id)
        )
        return await run(self._database, lambda it: [_session(row) for row in it.execute(statement)])

    async def close(self, session_id: str, /, *, user_id: str) -> bool:
        """End a session."""
        table = self._tables.sessions
        async with transaction(self._database) as connection:
            return bool(await self._end(connection, table.c.id == session_id, table.c.user_id == user_id))

    async def close_all(self, user_id: str, /, *, now: datetime, keep: str | None = None) -> int:
        """End all sessions of a user."""
        await self._set_mark(_not_before(user_id), made_at=now, expires_at=None)
        table = self._tables.sessions
        conditions = [table.c.user_id == user_id, *([] if keep is None else [table.c.id != keep])]
        async with transaction(self._database) as connection:
            return await self._end(connection, *conditions)

    async def revoke(self, token_id: str, /, *, now: datetime, until: datetime) -> None:
        """End one access token."""
        await self._set_mark(_revoked(token_id), made_at=now, expires_at=until)

    async def admits(self, token: TokenReference, /, *, now: datetime) -> bool:
        """Whether an access token still holds."""
        parameters = {
            "session": token.session_id,
            "now": now,
            "revoked": _revoked(token.token_id),
            "not_before": _not_before(token.user_id),
        }
        row = await run(self._database, lambda it: it.execute(self._admits, parameters).one())
        if row.revoked:
            return False
        if token.session_id is None:
            return row.not_before is None or token.issued_at > row.not_before.timestamp()
        return bool(row.lives)

    async def issue(self, secret_digest: str, ticket: Ticket, /, *, now: datetime) -> None:  # noqa: ARG002 - none is dropped
        """Keep a ticket."""
        statement = sa.insert(self._tables.tickets).values(digest=secret_digest, **ticket._asdict())
        await run(self._database, lambda it: it.execute(statement))

    async def redeem(self, purpose: TicketPurpose, secret_digest: str, /, *, now: datetime) -> Ticket | None:
        """Take a ticket out."""
        table = self._tables.tickets
        this = (table.c.digest == secret_digest, table.c.purpose == purpose)
        async with transaction(self._database) as connection:
            row = (await connection.execute(sa.select(table).where(*this))).one_or_none()
            taken = (await connection.execute(sa.delete(table).where(*this))).rowcount
        if row is None or not taken or row.expires_at <= now:
            return None
        return Ticket(purpose, row.user_id, row.binding, row.expires_at)

    async def claim(self, key: str, /, *, now: datetime, until: datetime) -> bool:
        """Whether this is the first claim of a key."""
        marks = self._tables.marks
        name = f"claim:{key}"
        over = sa.delete(marks).where(marks.c.key == name, marks.c.expires_at <= now)
        await run(self._database, lambda it: it.execute(over))
        return await self._insert_mark(name, now, until)

    async def purge(self, *, now: datetime) -> int:
        """Forget what is over."""
        sessions, tickets, marks = self._tables.sessions, self._tables.tickets, self._tables.marks
        async with transaction(self._database) as connection:
            over = [sa.delete(table).where(table.c.expires_at <= now) for table in (sessions, tickets, marks)]
            return sum([(await connection.execute(statement)).rowcount for statement in over])

    async def _locked(self, connection: AsyncConnection, session_id: str) -> LoginSession | None:
        statement = sa.select(self._tables.sessions).where(self._tables.sessions.c.id == session_id).with_for_update()
        row = (await connection.execute(statement)).one_or_none()
        return None if row is None else _session(row)

    async def _renew(
        self, connection: AsyncConnection, session: LoginSession, successor: str, now: datetime
    ) -> LoginSession:
        await self._add_token(connection, session.id, successor)
        table = self._tables.sessions
        await connection.execute(sa.update(table).where(table.c.id == session.id).values(last_used_at=now))
        return session.used_at(now)

    async def _add_token(self, connection: AsyncConnection, session_id: str, digest: str) -> None:
        await connection.execute(
            sa.insert(self._tables.refresh_tokens), {"digest": digest, "session_id": session_id, "used_at": None}
        )

    async def _end(self, connection: AsyncConnection, *conditions: Any) -> int:
        """Delete sessions, locked in one order; their tokens go with them."""
        table = self._tables.sessions
        found = await connection.execute(
            sa.select(table.c.id).where(*conditions).order_by(table.c.id).with_for_update()
        )
        ids = list(found.scalars())
        if ids:
            await connection.execute(sa.delete(table).where(table.c.id.in_(ids)))
        return len(ids)

    async def _set_mark(self, key: str, *, made_at: datetime, expires_at: datetime | None) -> None:
        marks = self._tables.marks
        if await self._insert_mark(key, made_at, expires_at):
            return
        change = sa.update(marks).where(marks.c.key == key).values(made_at=made_at, expires_at=expires_at)
        await run(self._database, lambda it: it.execute(change))

    async def _insert_mark(self, key: str, made_at: datetime, expires_at: datetime | None) -> bool:
        """Write a mark unless there is one; whether this call has written it."""
        mark = sa.insert(self._tables.marks).values(key=key, made_at=made_at, expires_at=expires_at)
        try:
            await run(self._database, lambda it: it.execute(mark))
        except IntegrityError as error:
            if is_duplicate(error):
                return False
            raise
        return True


def _admits(tables: AuthTables) -> sa.Select[bool, bool, Any]:
    """All that decides about a token, in one statement of three look-ups by primary key."""
    sessions, marks = tables.sessions, tables.marks
    now = sa.bindparam("now", type_=UTCDateTime())
    lives = sa.exists().where(sessions.c.id == sa.bindparam("session", type_=sa.String()), sessions.c.expires_at > now)
    revoked = sa.exists().where(marks.c.key == sa.bindparam("revoked", type_=sa.String()))
    not_before = sa.select(marks.c.made_at).where(marks.c.key == sa.bindparam("not_before", type_=sa.String()))
    return sa.select(lives.label("lives"), revoked.label("revoked"), not_before.scalar_subquery().label("not_before"))


def _session(row: Any) -> LoginSession:
    values: dict[str, Any] = {name: getattr(row, name) for name in _FIELDS}
    values["scopes"] = tuple(row.scopes)
    return LoginSession(**values)


def _revoked(token_id: str) -> str:
    return f"revoked:{token_id}"


def _not_before(user_id: str) -> str:
    return f"not-before:{user_id}"
