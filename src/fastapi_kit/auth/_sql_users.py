"""Users in the app's own table."""

from collections.abc import Callable
from typing import Any, Generic, TypeVar, cast
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import DeclarativeBase, Mapper, Session
from starlette.types import Scope

from fastapi_kit._asgi import SESSION
from fastapi_kit.auth._sql import is_duplicate, run, translated
from fastapi_kit.auth._users import EmailTakenError, NewUser
from fastapi_kit.db import Database

M = TypeVar("M")

_LARGEST_KEY = 2**63 - 1


class SQLUserStore(Generic[M]):
    """Users in the table of a model with `UserColumns`.

    Each method is a statement or a transaction of its own, not one of the request's session. Users that it gives are
    detached from sessions: their columns are loaded, their relationships are not.

    Args:
        database: Where the table is.
        model: The model; its key is one column of text, integers or UUIDs.

    Raises:
        TypeError: The model has no such key.
    """

    shared = True

    def __init__(self, database: Database, model: type[M]) -> None:
        self._database = database
        self._model = model
        mapper: Mapper[Any] = sa.inspect(cast("type[DeclarativeBase]", model))
        if len(mapper.primary_key) != 1:
            raise TypeError(f"{model.__name__}: authentication needs a key of one column")
        self._key = cast("sa.Column[Any]", mapper.primary_key[0])
        self._parse = _parser(self._key, model)
        self._columns: Any = model

    async def get(self, user_id: str, /, *, scope: Scope | None = None) -> M | None:
        """The user with this key."""
        key = self._parse(user_id)
        if key is None:
            return None
        session: AsyncSession | None = scope.get(SESSION) if scope else None
        statement = sa.select(self._model).where(self._key == key)
        if session is None or not session.in_transaction():
            return await self._first(statement)
        with translated():
            return await session.run_sync(lambda it: self._read(it.connection(), statement))

    async def find(self, email: str, /) -> M | None:
        """The user with this address, to the letter: MariaDB also finds those that differ in case or accents."""
        found: Any = await self._first(sa.select(self._model).where(self._columns.email == email))
        return found if found is not None and found.email == email else None

    async def add(self, user: NewUser, /) -> M:
        """Store a user."""
        made: Any = self._model(**user.values)
        made.email = user.email
        made.hashed_password = user.hashed_password
        made.is_verified = user.is_verified
        made.roles = list(user.roles)
        try:
            with translated():
                async with self._database.session() as session:
                    session.add(made)
                    await session.flush()
                    await session.refresh(made)
                    await session.commit()
        except IntegrityError as error:
            if not is_duplicate(error):
                raise
            raise EmailTakenError from error
        return cast("M", made)

    async def set_password(self, user_id: str, hashed_password: str, /, *, replacing: str | None = None) -> bool:
        """Write a password's hash."""
        conditions = () if replacing is None else (self._columns.hashed_password == replacing,)
        return await self._update(user_id, {"hashed_password": hashed_password}, *conditions)

    async def set_verified(self, user_id: str, email: str, /) -> bool:
        """Note that the address is theirs."""
        return await self._update(user_id, {"is_verified": True}, self._columns.email == email)

    async def set_totp_secret(self, user_id: str, secret: str | None, /) -> bool:
        """Write or remove the secret of the second factor."""
        return await self._update(user_id, {"totp_secret": secret})

    async def _first(self, statement: sa.Select[Any]) -> M | None:
        return await run(self._database, lambda connection: self._read(connection, statement))

    def _read(self, connection: sa.Connection, statement: sa.Select[Any]) -> M | None:
        """In a session of its own, on a connection that may be another's: what it gives belongs to nobody."""
        with Session(connection, join_transaction_mode="rollback_only") as session:
            found: M | None = session.scalars(statement).first()
            session.expunge_all()
            return found

    async def _update(self, user_id: str, values: dict[str, Any], *conditions: Any) -> bool:
        key = self._parse(user_id)
        if key is None:
            return False
        statement = sa.update(self._model).where(self._key == key, *conditions).values(**values)
        return await run(self._database, lambda it: bool(it.execute(statement).rowcount))


def _parser(key: sa.Column[Any], model: type[Any]) -> Callable[[str], Any]:
    kind = key.type.python_type
    readers: dict[type, Callable[[str], Any]] = {str: _text, int: _integer, UUID: _uuid}
    if kind not in readers:
        raise TypeError(f"{model.__name__}.{key.key} is {kind.__name__}: a user's key is text, an integer or a UUID")
    return readers[kind]


def _text(text: str) -> str | None:
    return text if text.isprintable() else None


def _integer(text: str) -> int | None:
    if not (text.isascii() and text.isdigit() and len(text) <= len(str(_LARGEST_KEY))):
        return None
    return number if (number := int(text)) <= _LARGEST_KEY else None


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
