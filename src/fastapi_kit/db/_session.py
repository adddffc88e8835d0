"""The session dependency: one transaction per request, and the one place where it is committed."""

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Annotated

from fastapi import Depends
from fastapi.requests import HTTPConnection
from sqlalchemy.ext.asyncio import AsyncSession

from fastapi_kit._asgi import SESSION
from fastapi_kit.db._problems import DATABASE_ERRORS, as_problem

if TYPE_CHECKING:
    from fastapi_kit.db._database import Database


class SecondSessionError(RuntimeError):
    """Two sessions in one request: they could wait for each other for ever, and would not commit together."""


class NoDatabaseError(RuntimeError):
    """The app's state holds no database."""


async def get_session(connection: HTTPConnection) -> AsyncIterator[AsyncSession]:
    """The session of this request; used as `SessionDep`.

    Begins with the first statement. Commits when the endpoint has returned and before the response starts, so a failed
    COMMIT is an error answer; rolls back when the endpoint or a dependency raises. A constraint violation that nobody
    handled is a 409, a database that cannot be reached a 503. Streams outlive it: open
    `request.state.database.session()` in the generator of a stream.

    Raises:
        SecondSessionError: This request has a session already.
        NoDatabaseError: The app was started without `Database.lifespan`.
    """
    if SESSION in connection.scope:
        raise SecondSessionError(
            "this request has a session already: declare it as `SessionDep` everywhere, without use_cache=False, "
            "and pass that one on"
        )
    async with database_of(connection).session() as session:
        connection.scope[SESSION] = session
        try:
            yield session
            await session.commit()
        except DATABASE_ERRORS as error:
            problem = as_problem(error)
            if problem is None:
                raise
            raise problem from error
        finally:
            del connection.scope[SESSION]


SessionDep = Annotated[AsyncSession, Depends(get_session, scope="function")]
"""The request's session: `async def endpoint(session: SessionDep)`."""


def database_of(connection: HTTPConnection) -> "Database":
    """The `Database` that serves this app.

    Raises:
        NoDatabaseError: The app was started without `Database.lifespan`.
    """
    database: Database | None = connection.scope.get("state", {}).get("database")
    if database is None:
        raise NoDatabaseError(
            "no database in the app's state: build the app with lifespan=compose(database.lifespan), "
            "and run it with its lifespan (a test client does so only inside `with` or `async with`)"
        )
    return database
