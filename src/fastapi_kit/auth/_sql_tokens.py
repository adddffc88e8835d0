"""Sessions in tables beside the app's own."""

from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from fastapi_kit.auth._rotation import RefreshDigest, Use, use
from fastapi_kit.auth._sessions import (
    SESSIONLESS,
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
_AT_ONCE = 1_000


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

    async def open(self, session: LoginSession, first: RefreshDigest, /) -> None:
        """Begin a session."""
        values = {name: getattr(session, name) for name in _FIELDS}
        values |= {"scopes": list(session.scopes), "family": first.family}
        async with transaction(self._database) as connection:
            await connection.execute(sa.insert(self._tables.sessions), values)
            await self._add_token(connection, session.id, first.token)

    async def rotate(
        self, presented: RefreshDigest, successor: str, /, *, now: datetime, grace: timedelta = timedelta()
    ) -> Rotation:
        """Use a refresh token up.

        The session's row is locked first, so that what happens to one session happens in turn. Its tokens are then
        read, decided about, and written by their keys alone: conditions on the session would have MariaDB lock the gaps
        between sessions, in which others are being renewed.
        """
        sessions, tokens = self._tables.sessions, self._tables.refresh_tokens
        this = sessions.c.id == presented.session_id
        async with transaction(self._database) as connection:
            row = (await connection.execute(sa.select(sessions).where(this).with_for_update())).one_or_none()
            if row is None or row.expires_at <= now:
                return UNKNOWN
            of_session = sa.select(tokens.c.digest, tokens.c.used_at).where(tokens.c.session_id == row.id)
            known = {each.digest: each.used_at for each in await connection.execute(of_session)}
            found = use(known, row.family, presented, now=now, grace=grace)
            if found.outcome == "unknown":
                return UNKNOWN
            session = _session(row)
            if found.outcome == "reused":
                await self._delete(connection, sessions, this)
                return Rotation(found.outcome, session)
            await self._keep(connection, known, found, now)
            await self._add_token(connection, session.id, successor)
            await connection.execute(sa.update(sessions).where(this).values(last_used_at=now))
            return Rotation(found.outcome, session.used_at(now))

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
            return bool(await self._delete(connection, table, table.c.id == session_id, table.c.user_id == user_id))

    async def close_all(self, user_id: str, /, *, now: datetime, keep: str | None = None) -> int:
        """End all sessions of a user."""
        await self._set_mark(_not_before(user_id), made_at=now, expires_at=now + SESSIONLESS)
        table = self._tables.sessions
        conditions = [table.c.user_id == user_id, *([] if keep is None else [table.c.id != keep])]
        async with transaction(self._database) as connection:
            return await self._delete(connection, table, *conditions)

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
            return token.outlives(None if row.not_before is None else row.not_before.timestamp(), now)
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
        """Forget what is over, at most 1,000 rows of each table, each table in a transaction of its own."""
        tables = (self._tables.sessions, self._tables.tickets, self._tables.marks)
        return sum([await self._purge(table, table.c.expires_at <= now) for table in tables])

    async def _purge(self, table: sa.Table, is_over: sa.ColumnElement[bool]) -> int:
        (key,) = table.primary_key
        some = sa.select(key).where(is_over).limit(_AT_ONCE)
        async with transaction(self._database) as connection:
            keys = list((await connection.execute(some)).scalars())
            return await self._delete(connection, table, key.in_(keys), is_over) if keys else 0

    async def _keep(
        self, connection: AsyncConnection, known: dict[str, datetime | None], found: Use, now: datetime
    ) -> None:
        """Mark what is used now, and drop what is not kept."""
        tokens = self._tables.refresh_tokens
        marked = [token for token, used_at in found.kept.items() if used_at != known[token]]
        if marked:
            await connection.execute(sa.update(tokens).where(tokens.c.digest.in_(marked)).values(used_at=now))
        dropped = known.keys() - found.kept.keys()
        if dropped:
            await connection.execute(sa.delete(tokens).where(tokens.c.digest.in_(dropped)))

    async def _add_token(self, connection: AsyncConnection, session_id: str, digest: str) -> None:
        await connection.execute(
            sa.insert(self._tables.refresh_tokens), {"digest": digest, "session_id": session_id, "used_at": None}
        )

    async def _delete(self, connection: AsyncConnection, table: sa.Table, *conditions: Any) -> int:
        """Delete rows, locked in one order; the tokens of sessions go with them."""
        (key,) = table.primary_key
        found = await connection.execute(sa.select(key).where(*conditions).order_by(key).with_for_update())
        keys = list(found.scalars())
        if keys:
            await connection.execute(sa.delete(table).where(key.in_(keys)))
        return len(keys)

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
