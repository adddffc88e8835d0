"""How the stores meet the database: one connection at a time, and errors that a client may hear of."""

from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import asynccontextmanager, contextmanager
from typing import TypeVar

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from fastapi_kit.db import DATABASE_ERRORS, Database, as_problem, violation_of

T = TypeVar("T")


@contextmanager
def translated() -> Generator[None]:
    """Raise errors of the database as problems, a 503 where it cannot be reached; violations stay what they are."""
    try:
        yield
    except DATABASE_ERRORS as error:
        if is_duplicate(error):
            raise
        problem = as_problem(error)
        if problem is None:
            raise
        raise problem from error


async def run(database: Database, work: Callable[[Connection], T]) -> T:
    """Run one statement, which is its own transaction."""
    with translated():
        return await database.run(work)


@asynccontextmanager
async def transaction(database: Database) -> AsyncGenerator[AsyncConnection]:
    """A transaction of several statements, apart from any that the request has.

    What is decided here holds although the request fails afterwards: a session that was ended because its token was
    stolen must not come back with the rollback of the 401.
    """
    with translated():
        async with database.engine.begin() as connection:
            yield connection


def is_duplicate(error: Exception) -> bool:
    """Whether a statement was refused because there is such a row."""
    violation = violation_of(error) if isinstance(error, DBAPIError) else None
    return violation is not None and violation.kind == "unique"
