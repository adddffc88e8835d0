"""The statements of an upsert, as work on one connection. Pure, but for that connection."""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from fastapi_kit.crud._access import Access
from fastapi_kit.crud._batches import Grouping
from fastapi_kit.crud._executor import Work
from fastapi_kit.crud._keys import is_exact, one_of, refers_to_itself
from fastapi_kit.crud._resource import Resource
from fastapi_kit.crud._set_steps import is_called_alone
from fastapi_kit.crud._steps import Target
from fastapi_kit.crud._upsert import upsert
from fastapi_kit.crud._upsert_terms import Key, UpsertTerms, Values
from fastapi_kit.crud._values import chunks

_CONDITIONAL = frozenset({"postgresql", "sqlite"})
"""Databases whose upsert takes a condition."""


class UpsertSteps:
    """Work of upserts of one resource, within somebody's access."""

    def __init__(self, resource: Resource, access: Access) -> None:
        self._resource = resource
        self._access = access
        self._names = {column: name for name, column in resource.columns.items()}
        self._naming = [it.column for it in resource.identity.attributes]

    def can_write(self, terms: UpsertTerms, dialect: sa.Dialect) -> bool:
        """Whether rows can be written by one statement, and be told from each other when they come back."""
        if dialect.name not in _CONDITIONAL or not dialect.insert_returning:
            return False
        # A row that is there takes its values from the new one, which has no stamps of updates alone.
        if any("update" in it.on and "create" not in it.on for it in self._resource.traits.stamps.values()):
            return False
        exact = all(is_exact(column, dialect.name) for column in terms.columns)
        return exact and all(map(is_called_alone, self._resource.table.columns))

    def write(
        self, terms: UpsertTerms, rows: Mapping[Key, Values], by_column: Callable[[Values], dict[str, Any]]
    ) -> Work[dict[Key, Key]]:
        """Make or change rows, as far as they are in scope; the identities of those that were, by key.

        A database promises no order in which a statement locks its rows; these are sorted by their keys, so that two
        upserts of the same rows do not wait for each other.
        """
        table = self._resource.table
        ordered = [rows[key] for key in (rows if refers_to_itself(table) else sorted(rows))]

        def work(connection: sa.Connection) -> dict[Key, Key]:
            dialect, written = connection.dialect.name, dict[Key, Key]()
            for names, group in Grouping(table, self._names, "update", terms.key, dialect).of(ordered):
                parameters = [{**by_column(row), **self._access.values} for row in group]
                result: Any = connection.execute(self._statement(terms, names, dialect), parameters)
                written.update(map(self._split(terms), result.all()))
            return written

        return work

    def look(self, terms: UpsertTerms, keys: Sequence[Key]) -> Work[dict[Key, Key]]:
        """The identities of the rows of these keys that are in scope, by key."""

        def work(connection: sa.Connection) -> dict[Key, Key]:
            found = dict[Key, Key]()
            for some in chunks(keys, len(terms.columns)):
                select = sa.select(*terms.columns, *self._naming).where(one_of(terms.columns, some), *self._own)
                rows: Any = connection.execute(select, dict(self._access.values)).all()
                found.update(map(self._split(terms), rows))
            return found

        return work

    def lock(self, terms: UpsertTerms, key: Key) -> Work[Target | None]:
        """The row of a key, in scope or not, which nobody else changes until the transaction ends."""
        is_row = (column == value for column, value in zip(terms.columns, key, strict=True))
        select = sa.select(*self._naming).where(*is_row).with_for_update()

        def work(connection: sa.Connection) -> Target | None:
            found = connection.execute(select).first()
            return None if found is None else Target(self._resource.identity.of_values(tuple(found)))

        return work

    @property
    def _own(self) -> Sequence[Any]:
        return self._access.statements.conditions.own

    def _statement(self, terms: UpsertTerms, names: Collection[str], dialect: str) -> Any:
        columns, version = self._resource.columns, self._resource.version
        stamps = [name for name, it in self._resource.traits.stamps.items() if "update" in it.on]
        updated = [columns[name] for name in (*sorted(terms.updated & set(names)), *stamps)]
        counted = None if version is None else version.stored_column
        statement = upsert(
            dialect,
            self._resource.table,
            terms.columns,
            updated if terms.updates(names) else (),
            sa.and_(*self._own) if self._own else None,
            besides={counted: counted + 1} if counted is not None and counted.onupdate is None else {},
        )
        return statement.returning(*terms.columns, *self._naming)

    def _split(self, terms: UpsertTerms) -> Callable[[Sequence[Any]], tuple[Key, Key]]:
        width = len(terms.columns)
        return lambda row: (tuple(row[:width]), tuple(row[width:]))
