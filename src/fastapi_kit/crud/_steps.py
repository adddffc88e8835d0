"""The statements of a write, as work on one connection, and what their outcome means. Pure, but for that connection."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from fastapi_kit._clock import SYSTEM_CLOCK
from fastapi_kit.crud._access import Access
from fastapi_kit.crud._ensured import LeavesScopeError, undone
from fastapi_kit.crud._executor import Work
from fastapi_kit.crud._hooks import WriteOperation
from fastapi_kit.crud._requests import WHOLE
from fastapi_kit.crud._resource import Resource
from fastapi_kit.crud._statements import VERSIONS, Statements
from fastapi_kit.errors import ForbiddenError, NotFoundError, PreconditionFailedError, Problem

Row = Any
"""A row of the whole resource, as `Statements.layout` says."""


@dataclass(frozen=True)
class Target:
    """The row that a write is about."""

    parameters: Mapping[str, Any]
    """Of the condition of its identity."""
    versions: Collection[int] | None = None
    """Those that it may have; `None` for any."""


class RowSteps:
    """Work on single rows of one resource, within somebody's access."""

    def __init__(self, resource: Resource, access: Access) -> None:
        self._resource = resource
        self._access = access

    def of(
        self, operation: WriteOperation, written: Mapping[str, Any], target: Target | None, dialect: sa.Dialect
    ) -> Work[Any]:
        """The work of an operation, which gives the stored row, or `None` after a delete; `written` is by column."""
        if target is None:
            return self._insert(written, dialect)
        match operation:
            case "delete":
                return self._delete(target)
            case "restore":
                return self._restore(target, dialect)
            case _ if not written:
                return self.look(target)  # a hook has left nothing to write
            case _:
                return self._update(self._access.statements, written, target, dialect)

    def ensured(self, written: Mapping[str, Any], target: Target | None) -> Work[Any]:
        """The work of a create, a replace or an update whose own statement sees that the row is in scope afterwards.

        The work raises `LeavesScopeError` if it is not, and has done nothing then.
        """
        statements = self._access.statements
        if target is None:
            statement, found_by = statements.insert_ensured, dict[str, Any]()
        else:
            guarded = target.versions is not None
            statement = statements.update_ensured_if if guarded else statements.update_ensured
            found_by = _of(target)
        parameters = self._parameters({**written, **found_by})

        def work(connection: sa.Connection) -> Any:
            try:
                row = connection.execute(statement, parameters).first()
            except DBAPIError as error:
                if undone(error):
                    raise LeavesScopeError from error
                raise
            if row is None and target is not None:
                raise self._missing(connection, target, statements)
            return row

        return work

    def look(self, target: Target) -> Work[Any]:
        """The row as it is, if it has one of the versions."""

        def work(connection: sa.Connection) -> Any:
            row = self._read(connection, target.parameters)
            version = self._resource.version
            if row is not None and target.versions is not None and version is not None:
                place = self._access.statements.layout.places[version.name]
                if row[place] not in target.versions:
                    raise PreconditionFailedError(OTHER_VERSION)
            if row is None:
                raise self._resource.not_found()
            return row

        return work

    def check_scope(self, row: sa.Row[Any]) -> Work[None]:
        """See that a written row is still in scope."""
        places = self._access.statements.layout.places
        values = tuple(row[places[it.name]] for it in self._resource.identity.attributes)
        parameters = self._parameters(self._resource.identity.of_values(values))

        def work(connection: sa.Connection) -> None:
            if connection.execute(self._access.statements.exists, parameters).first() is None:
                raise ForbiddenError(OUT_OF_SCOPE)

        return work

    def _insert(self, written: Mapping[str, Any], dialect: sa.Dialect) -> Work[Any]:
        statements = self._access.statements
        if dialect.insert_returning and self._resource.is_returned_whole:
            return lambda connection: connection.execute(statements.insert, dict(written)).first()

        def work(connection: sa.Connection) -> Any:
            made = connection.execute(statements.insert_only, dict(written)).one()
            row = self._read(connection, self._resource.identity.of_values(tuple(made)))
            if row is None:
                raise ForbiddenError(OUT_OF_SCOPE)
            return row

        return work

    def _update(
        self, statements: Statements, written: Mapping[str, Any], target: Target, dialect: sa.Dialect
    ) -> Work[Any]:
        parameters = self._parameters({**written, **_of(target)})
        guarded = target.versions is not None
        if dialect.update_returning and self._resource.is_returned_whole:
            update = statements.update_if if guarded else statements.update

            def at_once(connection: sa.Connection) -> Any:
                row = connection.execute(update, parameters).first()
                if row is None:
                    raise self._missing(connection, target, statements)
                return row

            return at_once
        return self._update_and_read(statements, parameters, written, target)

    def _update_and_read(
        self, statements: Statements, parameters: dict[str, Any], written: Mapping[str, Any], target: Target
    ) -> Work[Any]:
        update = statements.update_only if target.versions is None else statements.update_only_if
        renamed = self._resource.identity.renamed(target.parameters, written)

        def work(connection: sa.Connection) -> Any:
            if not connection.execute(update, parameters).rowcount:
                raise self._missing(connection, target, statements)
            row = self._read(connection, renamed)
            if row is None:
                raise ForbiddenError(OUT_OF_SCOPE)
            return row

        return work

    def _delete(self, target: Target) -> Work[None]:
        statements, deleted = self._access.statements, self._resource.deleted
        guarded = target.versions is not None
        parameters = self._parameters(_of(target))
        if deleted is not None and deleted.stored_column is not None:
            statement = statements.update_only_if if guarded else statements.update_only
            parameters[deleted.stored_column.key] = SYSTEM_CLOCK.now()
        else:
            statement = statements.delete_if if guarded else statements.delete

        def work(connection: sa.Connection) -> None:
            if not connection.execute(statement, parameters).rowcount:
                raise self._missing(connection, target, statements)

        return work

    def _restore(self, target: Target, dialect: sa.Dialect) -> Work[Any]:
        deleted = self._resource.deleted
        assert deleted is not None  # noqa: S101 - there is no such operation without
        assert deleted.stored_column is not None  # noqa: S101
        restoring = self._update(self._access.statements_of("only"), {deleted.stored_column.key: None}, target, dialect)

        def work(connection: sa.Connection) -> Any:
            try:
                return restoring(connection)
            except NotFoundError:
                return self.look(target)(connection)

        return work

    def _read(self, connection: sa.Connection, parameters: Mapping[str, Any]) -> Any:
        prepared = self._access.statements.row(WHOLE)
        return connection.execute(prepared.select, self._parameters(parameters)).first()

    def _missing(self, connection: sa.Connection, target: Target, statements: Statements) -> Problem:
        """Why a write has found no row; asked only after it has not."""
        if target.versions is not None:
            found = connection.execute(statements.exists, self._parameters(target.parameters)).first()
            if found is not None:
                return PreconditionFailedError(OTHER_VERSION)
        return self._resource.not_found()

    def _parameters(self, own: Mapping[str, Any]) -> dict[str, Any]:
        return {**own, **self._access.values}


def _of(target: Target) -> dict[str, Any]:
    """The parameters by which a statement finds its row."""
    if target.versions is None:
        return dict(target.parameters)
    return {**target.parameters, VERSIONS: list(target.versions)}


OTHER_VERSION = "The row has changed since: get it again, and send its ETag in If-Match."
OUT_OF_SCOPE = "The row would be out of what you may see."
