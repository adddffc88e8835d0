"""Writes: what is done to a row, in which transaction, and what has to hold besides the database's constraints.

Theory of operation. A write is one statement on its own wherever nothing else has to take effect with it: the statement
itself says which row, in whose scope and of which version, and returns what it has stored; where a written column
decides about the scope, it sees that the row is in it afterwards, if that can be told from the row alone. It becomes
several in one transaction where there are hooks, where it cannot see that, where a written reference leads to rows that
have a scope of their own, and where the database cannot return what it writes.
"""

from collections.abc import Collection, Generator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from fastapi import Request

from fastapi_kit.crud._access import Access
from fastapi_kit.crud._ensured import LeavesScopeError, ensures
from fastapi_kit.crud._executor import Executor, Work
from fastapi_kit.crud._hooks import Changed, ChangeOperation, Hooks, WriteContext, WriteOperation
from fastapi_kit.crud._resource import Resource
from fastapi_kit.crud._set_steps import SetSteps
from fastapi_kit.crud._statements import Statements
from fastapi_kit.crud._steps import Row, RowSteps, Target
from fastapi_kit.crud._targets import Reference, check_references
from fastapi_kit.crud._upsert_steps import UpsertSteps
from fastapi_kit.db import after_commit
from fastapi_kit.errors import ConflictError, NotFoundError


@dataclass(frozen=True)
class Rules:
    """What holds for the writes of one resource.

    Attributes:
        resource: The resource.
        hooks: Its hooks and listeners.
        references: Its foreign keys to models that have a scope.
    """

    resource: Resource
    hooks: Hooks
    references: tuple[Reference, ...]


class Writer:
    """Writes rows of one resource, on somebody's behalf, in one place.

    Args:
        rules: What holds for every write.
        access: Whose.
        executor: Where.
        request: The request, if there is one; hooks see it.
    """

    def __init__(self, rules: Rules, access: Access, executor: Executor, request: Request | None = None) -> None:
        self._rules = rules
        self._resource = rules.resource
        self._access = access
        self.executor = executor
        self._request = request
        self.steps = RowSteps(rules.resource, access)
        self.sets = SetSteps(rules.resource, access)
        self.upserts = UpsertSteps(rules.resource, access)

    @property
    def resource(self) -> Resource:
        """Whose rows are written."""
        return self._resource

    @property
    def statements(self) -> Statements:
        """The statements on rows that are in use."""
        return self._access.statements

    async def create(self, values: Mapping[str, Any]) -> Row:
        """Make a row.

        Raises:
            ConflictError: It violates a constraint.
            ForbiddenError: It would be out of scope.
            NotFoundError: There is no row above it.
        """
        with self.below_parent():
            return await self._write("create", self.stamped("create", values), None)

    async def change(self, operation: WriteOperation, target: Target, values: Mapping[str, Any]) -> Row:
        """Replace or update a row; without values, just look at it.

        Raises:
            NotFoundError: There is none, or it is out of scope.
            PreconditionFailedError: It has another version.
            ConflictError: It would violate a constraint.
            ForbiddenError: It would be out of scope afterwards.
        """
        if not values:
            return await self.executor.run(self.steps.look(target))
        return await self._write(operation, self.stamped(operation, values), target)

    async def delete(self, target: Target) -> None:
        """Remove a row, or put it out of use where deletion is soft.

        Raises:
            NotFoundError: There is none, or it is out of scope.
            PreconditionFailedError: It has another version.
            ConflictError: Others refer to it.
        """
        await self._write("delete", {}, target)

    async def restore(self, target: Target) -> Row:
        """Take a deleted row back into use; one that is in use stays as it is.

        Raises:
            NotFoundError: There is none, or it is out of scope.
            PreconditionFailedError: It has another version.
            ConflictError: It would violate a constraint.
        """
        return await self._write("restore", {}, target)

    @contextmanager
    def below_parent(self) -> Generator[None]:
        """Take a refused reference to the row above, which stands in the path, for an absent path.

        Raises:
            NotFoundError: There is no row above.
        """
        try:
            yield
        except ConflictError as error:
            parent = self._resource.parent
            told = (error.extensions.get("violation"), error.extensions.get("fields"))
            if parent is None or told != ("foreign_key", [parent.name]):
                raise
            raise NotFoundError(f"There is no {parent.name.replace('_', ' ')} of this value.") from error

    def stamped(self, operation: WriteOperation, values: Mapping[str, Any]) -> dict[str, Any]:
        """The values that a client gave, and those that the server gives."""
        resource, stamped = self._resource, dict(values)
        for name, stamp in resource.traits.stamps.items():
            if operation in stamp.on:
                stamped[name] = stamp.value(self._access.principal)
        if operation == "create":
            if resource.parent is not None:
                stamped[resource.parent.name] = self._access.parent
            if resource.version is not None and not resource.version.has_default:
                stamped[resource.version.name] = 1
        return stamped

    def stands_alone(self, operation: WriteOperation, written: Collection[str]) -> bool:
        """Whether nothing else has to take effect with the statements of a write of these columns."""
        if self.is_watched(operation, written) or not self._returns(operation):
            return False
        return not self.may_leave_scope(operation, written)

    def is_watched(self, operation: WriteOperation, written: Collection[str]) -> bool:
        """Whether each row that is written has to be seen by itself: by hooks, or for what it refers to."""
        if self._rules.hooks.of(operation):
            return True
        return any(reference.columns.intersection(written) for reference in self._rules.references)

    async def write_in(
        self, place: Executor, operation: WriteOperation, values: dict[str, Any], target: Target | None
    ) -> Any:
        """Write one row with all that belongs to it, in a transaction that others have opened."""
        names = [it.name for it in self._resource.identity.attributes]
        context = WriteContext(
            operation=operation,
            principal=self._access.principal,
            session=place.session,
            values=values,
            key=dict(zip(names, target.parameters.values(), strict=True)) if target else {},
            request=self._request,
        )
        await self._rules.hooks.before(context)
        written = self.by_column(context.values)
        await self._check_references(place, written, target)
        row = await place.run(self.steps.of(operation, written, target, place.dialect), written)
        if row is not None:
            if self.may_leave_scope(operation, written):
                await place.run(self.steps.check_scope(row))
            layout = self._access.statements.layout
            context.stored = {name: row[index] for name, index in layout.places.items()}
            context.key = {name: context.stored[name] for name in names}
        await self._rules.hooks.after(context)
        return row

    async def _check_references(self, place: Executor, written: Mapping[str, Any], target: Target | None) -> None:
        try:
            await place.run(check_references(self._resource, self._rules.references, self._access, written, target))
        except ConflictError:
            if target is not None:
                await place.run(self.steps.look(target))  # a row that is not there comes before what it refers to
            raise

    def announce_later(self, place: Executor, changed: Changed) -> None:
        """Tell the listeners when the transaction of `place` is committed."""
        if self._rules.hooks.listeners:
            after_commit(place.session, lambda: self._rules.hooks.announce(changed))

    def changed(self, operation: ChangeOperation, keys: list[tuple[Any, ...]]) -> Changed:
        """The event of a write of the rows with these identities."""
        return Changed(self._resource.name, operation, [key[0] if len(key) == 1 else key for key in keys])

    def identity(self, row: Row | None, target: Target | None) -> tuple[Any, ...]:
        """The values that name a written row."""
        if row is None:
            return tuple(target.parameters.values()) if target else ()
        places = self._access.statements.layout.places
        return tuple(row[places[it.name]] for it in self._resource.identity.attributes)

    def by_column(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Values by attribute, as values by column."""
        columns = self._resource.columns
        return {columns[name].key: value for name, value in values.items()}

    async def _write(self, operation: WriteOperation, values: dict[str, Any], target: Target | None) -> Any:
        written = self.by_column(values)
        if (work := self._alone(operation, written, target)) is not None:
            with suppress(LeavesScopeError):  # what is wrong with it first is told by the long way
                row = await self.executor.run(work, written)
                if self._rules.hooks.listeners:
                    await self.announce(self.executor, self.changed(operation, [self.identity(row, target)]))
                return row
        async with self.executor.together() as place:
            row = await self.write_in(place, operation, values, target)
            self.announce_later(place, self.changed(operation, [self.identity(row, target)]))
        return row

    def _alone(self, operation: WriteOperation, written: Mapping[str, Any], target: Target | None) -> Work[Any] | None:
        """The write as one statement, if that will do."""
        executor = self.executor
        if self.stands_alone(operation, written):
            return self.steps.of(operation, written, target, executor.dialect)
        if self.is_watched(operation, written) or not self._returns(operation) or executor.belongs_to_transaction:
            return None  # on PostgreSQL an error would be the end of the transaction that others have begun
        able = self._access.statements.can_be_ensured and ensures(executor.dialect)
        return self.steps.ensured(written, target) if able else None

    async def announce(self, place: Executor, changed: Changed) -> None:
        """Tell the listeners, once what was done is committed."""
        if place.belongs_to_transaction:
            self.announce_later(place, changed)
        else:
            await self._rules.hooks.announce(changed)

    def _returns(self, operation: WriteOperation) -> bool:
        """Whether the database gives back a row with the statement that writes it."""
        if operation == "delete":
            return True
        dialect = self.executor.dialect
        able = dialect.insert_returning if operation == "create" else dialect.update_returning
        return able and self._resource.is_returned_whole

    def may_leave_scope(self, operation: WriteOperation, written: Collection[str]) -> bool:
        """Whether a client's values decide about the scope of the row: not those that the server writes."""
        deciding = self._access.statements.deciding
        if deciding is None or operation in {"delete", "restore"}:
            return False
        if operation == "create":
            # Where no column decides, it is the principal alone who does.
            return not deciding or not deciding <= self._resource.server_columns[operation]
        return not (deciding - self._resource.server_columns[operation]).isdisjoint(written)
