"""The one place where a resource's statements meet the database: on which connection, and what its errors mean.

Theory of operation. A request holds one connection at most, as two can wait for each other for ever. If the request's
session has begun a transaction, the work belongs to it and runs there. Otherwise nothing ties it to other work, and a
single statement runs on a connection in AUTOCOMMIT: it is its own transaction, for one round trip instead of three.
"""

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import sqlalchemy as sa
from fastapi import Request
from sqlalchemy.exc import DBAPIError, StatementError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Session

from fastapi_kit._asgi import SESSION
from fastapi_kit.crud._resource import Resource
from fastapi_kit.crud._violations import missing_references, violated_fields
from fastapi_kit.db import DATABASE_ERRORS, as_problem, conflict, database_of, violation_of
from fastapi_kit.errors import Problem, UnprocessableContentError

T = TypeVar("T")

Work = Callable[[sa.Connection], T]
"""Executes statements on the connection that it is given; runs in a greenlet, with SQLAlchemy's synchronous API."""


class Executor:
    """Runs the statements of one request.

    Args:
        resource: Whose constraints may be violated.
        request: The request; its app's state holds the database.
        session: The session that the request's dependencies opened, or that an override gave; `None` if there is none.
    """

    def __init__(self, resource: Resource, request: Request, session: AsyncSession | None) -> None:
        self._resource = resource
        self._request = request
        self._session = session

    async def run(self, work: Work[T], values: Mapping[str, Any] | None = None) -> T:
        """Run `work`, each of whose statements may be a transaction of its own.

        Args:
            work: What to do.
            values: What a write writes, by column; tells which of them violated a constraint.

        Raises:
            Problem: The database refused the statement, or cannot be reached.
        """
        session = self._session_in_use()
        return await self._guarded(work, values, session)

    async def run_together(self, work: Work[T], values: Mapping[str, Any] | None = None) -> T:
        """Run `work`, whose statements take effect together or not at all.

        Raises:
            Problem: The database refused a statement, or cannot be reached.
        """
        if self._session is not None:
            return await self._guarded(work, values, self._session)
        async with database_of(self._request).session() as session:
            result = await self._guarded(work, values, session)
            await session.commit()
            return result

    def _session_in_use(self) -> AsyncSession | None:
        session = self._session
        if session is None:
            return None
        opened_here: bool = self._request.scope.get(SESSION) is session
        if opened_here and not session.in_transaction():
            return None
        # A session that was put in place of the kit's own is used as it is: whoever put it there relies on it.
        return session

    async def _guarded(self, work: Work[T], values: Mapping[str, Any] | None, session: AsyncSession | None) -> T:
        try:
            return await self._on_connection(work, session)
        except DATABASE_ERRORS as error:
            problem = await self._problem(error, values or {}, session)
            if problem is None:
                raise
            raise problem from error
        except (OverflowError, StatementError) as error:
            if not _is_refused_value(error):
                raise
            raise UnprocessableContentError("A value is outside of what its column can hold.") from error

    async def _on_connection(self, work: Work[T], session: AsyncSession | None) -> T:
        if session is None:
            return await database_of(self._request).run(work)

        def on_session(synchronous: Session) -> T:
            synchronous.flush()
            return work(synchronous.connection())

        return await session.run_sync(on_session)

    async def _problem(
        self, error: Exception, values: Mapping[str, Any], session: AsyncSession | None
    ) -> Problem | None:
        violation = violation_of(error) if isinstance(error, DBAPIError) else None
        if violation is None:
            return as_problem(error)
        fields = violated_fields(violation, self._resource)
        if violation.kind == "foreign_key" and not values:
            fields = ()  # a row that others refer to cannot be deleted, and no field of its own is to blame
        elif violation.kind == "foreign_key" and violation.constraint is None:
            fields = await self._on_connection(lambda c: missing_references(c, self._resource, values), session)
        return conflict(violation, fields)


def _is_refused_value(error: Exception) -> bool:
    """Whether a value was refused before the database saw it: by the driver, or by the column's type.

    The bounds of derived schemas let none through; those of given ones may.
    """
    cause = error.orig if isinstance(error, StatementError) else error
    return isinstance(cause, OverflowError | ValueError | LookupError)
