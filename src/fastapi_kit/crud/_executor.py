"""The one place where a resource's statements meet the database: on which connection, and what its errors mean.

Theory of operation. A request holds one connection at most, as two can wait for each other for ever. If the request's
session has begun a transaction, the work belongs to it and runs there. Otherwise nothing ties it to other work, and a
single statement runs on a connection in AUTOCOMMIT: it is its own transaction, for one round trip instead of three.
What needs several statements to take effect together runs in a session: the request's, or one of its own that is
committed at the end.
"""

from collections.abc import AsyncGenerator, Callable, Generator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError, StatementError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Session

from fastapi_kit.crud._resource import Resource
from fastapi_kit.crud._violations import missing_references, violated_fields
from fastapi_kit.db import DATABASE_ERRORS, Database, as_problem, conflict, violation_of
from fastapi_kit.errors import Problem, UnprocessableContentError

T = TypeVar("T")

Work = Callable[[sa.Connection], T]
"""Executes statements on the connection that it is given; runs in a greenlet, with SQLAlchemy's synchronous API."""


class Executor:
    """Runs statements of one resource.

    Args:
        resource: Whose constraints may be violated.
        database: Where work without a session runs; `None` if there always is one.
        session: The session that the work belongs to, if any.
        joins: Whether single statements run in `session` although it has not begun a transaction.
    """

    def __init__(
        self, resource: Resource, database: Database | None, session: AsyncSession | None, *, joins: bool = True
    ) -> None:
        self._resource = resource
        self._database = database
        self._session = session
        self._joins = joins

    @property
    def dialect(self) -> sa.Dialect:
        """The dialect of the database."""
        return self._session.get_bind().dialect if self._session else self._opened_database().engine.dialect

    @property
    def session(self) -> AsyncSession:
        """The session, inside `together`."""
        assert self._session is not None  # noqa: S101 - `together` is where there is one
        return self._session

    @property
    def belongs_to_transaction(self) -> bool:
        """Whether what is run now takes effect only when somebody commits."""
        return self._session_in_use() is not None

    async def run(self, work: Work[T], *values: Mapping[str, Any]) -> T:
        """Run `work`, each of whose statements may be a transaction of its own.

        Args:
            work: What to do.
            values: What a write writes, by column, for each row; tells which of them violated a constraint.

        Raises:
            Problem: The database refused the statement, or cannot be reached.
        """
        session = self._session_in_use()
        try:
            return await self._on_connection(work, session)
        except DATABASE_ERRORS as error:
            problem = await self._problem(error, values, session)
            if problem is None:
                raise
            raise problem from error
        except (OverflowError, StatementError) as error:
            if not _is_refused_value(error):
                raise
            raise UnprocessableContentError("A value is outside of what its column can hold.") from error

    @asynccontextmanager
    async def together(self) -> AsyncGenerator["Executor"]:
        """Give an executor whose work takes effect together or not at all.

        In a session that was opened above it takes effect when that is committed.

        Raises:
            Problem: The database refused to commit, or cannot be reached.
        """
        if self._session is not None:
            yield Executor(self._resource, None, self._session)
            return
        with self._translated():
            async with self._opened_database().session() as session:
                yield Executor(self._resource, None, session)
                await session.commit()

    def _session_in_use(self) -> AsyncSession | None:
        session = self._session
        return session if session is not None and (self._joins or session.in_transaction()) else None

    def _opened_database(self) -> Database:
        assert self._database is not None  # noqa: S101 - without a session there is a database
        return self._database

    async def _on_connection(self, work: Work[T], session: AsyncSession | None) -> T:
        if session is None:
            return await self._opened_database().run(work)

        def on_session(synchronous: Session) -> T:
            synchronous.flush()
            return work(synchronous.connection())

        return await session.run_sync(on_session)

    @contextmanager
    def _translated(self) -> Generator[None]:
        try:
            yield
        except DATABASE_ERRORS as error:
            violation = violation_of(error) if isinstance(error, DBAPIError) else None
            fields = violated_fields(violation, self._resource) if violation else ()
            problem = conflict(violation, fields) if violation else as_problem(error)
            if problem is None:
                raise
            raise problem from error

    async def _problem(
        self, error: Exception, values: Sequence[Mapping[str, Any]], session: AsyncSession | None
    ) -> Problem | None:
        violation = violation_of(error) if isinstance(error, DBAPIError) else None
        if violation is None:
            return as_problem(error)
        fields = violated_fields(violation, self._resource)
        if violation.kind == "foreign_key" and not any(values):
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
