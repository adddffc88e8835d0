"""The statements of a write of many rows at once, as work on one connection. Pure, but for that connection.

Theory of operation. An UPDATE takes its values from a list of rows that stands in the statement (`WITH given AS (VALUES
…) UPDATE … FROM given`), so one statement changes each row in its own way, under the same conditions as that of a
single row. What comes back is put into the order of the request by the rows' keys, as no database promises an order;
SQLite returns columns of the changed table only, so no number of the row could be returned in their place.

One statement judges all rows as they were before it, where statements for each row see what those before have done. So
rows are written together only where that makes no difference: not if a written column decides about uniqueness, where
the first row may free the value that the next one takes.

Two of them that share rows lock these in the order in which their plans find them. The rows of a statement are sorted
by their keys, so that two statements that look up row by row lock in the same order; PostgreSQL may prefer to scan the
table, and then locks in the order of the table, the same for all. Only two that are planned differently can still wait
for each other; one of them is then a 503 with `Retry-After`, as was either order of single statements before.
"""

import inspect
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.types import TypeEngine

from fastapi_kit._clock import SYSTEM_CLOCK
from fastapi_kit.crud._access import Access
from fastapi_kit.crud._executor import Work
from fastapi_kit.crud._keys import deciding_uniqueness, is_exact, refers_to_itself
from fastapi_kit.crud._resource import Resource
from fastapi_kit.crud._scope import Condition
from fastapi_kit.crud._statements import VERSIONS, Statements
from fastapi_kit.crud._steps import OTHER_VERSION, OUT_OF_SCOPE, Row, Target
from fastapi_kit.crud._values import chunks, given_rows
from fastapi_kit.errors import ForbiddenError, PreconditionFailedError

_UPDATES_FROM_VALUES = frozenset({"postgresql", "sqlite"})
_NEW = "__new"
"""Ends the names of the written values; no column's name has `__` in it."""

Change = tuple[Target, Mapping[str, Any]]
"""A row and what is written to it, by column."""
Key = tuple[Any, ...]


class SetSteps:
    """Work on many rows of one resource, within somebody's access."""

    def __init__(self, resource: Resource, access: Access) -> None:
        self._resource = resource
        self._access = access

    @property
    def _statements(self) -> Statements:
        return self._access.statements

    def insert(self, rows: Sequence[Mapping[str, Any]]) -> Work[list[Row]]:
        """Insert all rows of the same columns by one statement: a row without a column gets that column's default."""
        groups: dict[frozenset[str], list[int]] = {}
        for place, row in enumerate(rows):
            groups.setdefault(frozenset(row), []).append(place)

        def work(connection: sa.Connection) -> list[Row]:
            made: dict[int, Row] = {}
            for places in groups.values():
                alike = [dict(rows[place]) for place in places]
                made.update(zip(places, self._insert_alike(connection, alike), strict=True))
            return [made[place] for place in range(len(rows))]

        return work

    def can_update(self, written: Collection[str], dialect: sa.Dialect) -> bool:
        """Whether rows to which these columns are written can be updated by one statement."""
        unique = {column.key for column in deciding_uniqueness(self._resource.table)}
        return self._can_change(dialect) and unique.isdisjoint(written)

    def update(self, changes: Mapping[int, Change]) -> Work[dict[int, Row]]:
        """Change rows, all of whose changes are of the same columns, by their places in the request."""
        returned = self._statements.returned
        places = self._statements.layout.places
        naming = [places[it.name] for it in self._resource.identity.attributes]

        def work(connection: sa.Connection) -> dict[int, Row]:
            rows = self._change(connection, list(changes.values()), returned)
            stored = {tuple(row[place] for place in naming): row for row in rows}
            self._see_all(connection, {place: target for place, (target, _) in changes.items()}, stored)
            return {place: stored[_key(target)] for place, (target, _) in changes.items()}

        return work

    def can_delete(self, dialect: sa.Dialect) -> bool:
        """Whether rows can be deleted by one statement.

        MariaDB looks at references after each row, so there it matters which one of a tree goes first.
        """
        if self._resource.deleted is not None:
            return self._can_change(dialect)
        in_order = dialect.name in {"mysql", "mariadb"} and refers_to_itself(self._resource.table)
        return dialect.delete_returning and not in_order and self._are_found_again(dialect)

    def delete(self, targets: Sequence[Target]) -> Work[None]:
        """Remove rows of any version, or put them out of use where deletion is soft."""
        deleted = self._resource.deleted

        def work(connection: sa.Connection) -> None:
            if deleted is not None:
                now = SYSTEM_CLOCK.now()
                changes = [(target, {deleted.column_key: now}) for target in targets]
                gone = self._change(connection, changes, self._naming)
            else:
                gone = self._remove(connection, targets)
            self._see_all(connection, dict(enumerate(targets)), {tuple(row) for row in gone})

        return work

    def check_scope(self, identities: Sequence[Key]) -> Work[None]:
        """See that written rows are still in scope."""

        def work(connection: sa.Connection) -> None:
            there = self._there(connection, identities)
            if out := [place for place, identity in enumerate(identities) if identity not in there]:
                raise ForbiddenError(OUT_OF_SCOPE, extensions={"items": out})

        return work

    @property
    def _naming(self) -> list[Any]:
        return [it.column for it in self._resource.identity.attributes]

    def _are_found_again(self, dialect: sa.Dialect) -> bool:
        return all(is_exact(column, dialect.name) for column in self._naming)

    def _can_change(self, dialect: sa.Dialect) -> bool:
        if dialect.name not in _UPDATES_FROM_VALUES or not dialect.update_returning:
            return False
        return self._are_found_again(dialect) and all(map(is_called_alone, self._resource.table.columns))

    def _insert_alike(self, connection: sa.Connection, rows: Sequence[dict[str, Any]]) -> Sequence[Row]:
        """Insert rows of the same columns, and give them back in their order, in which no database promises them."""
        statements, table = self._statements, self._resource.table
        counted = table.autoincrement_column
        if counted is not None and counted.key not in rows[0]:
            if connection.dialect.name == "sqlite":
                # SQLAlchemy would insert one by one; SQLite counts the rows of a statement up in their order.
                return sorted(connection.execute(statements.insert, rows).all(), key=statements.layout.key)
        elif not all(is_exact(key, connection.dialect.name) for key in table.primary_key.columns):
            return [connection.execute(statements.insert, row).one() for row in rows]
        return connection.execute(statements.insert_many, rows).all()

    def _change(self, connection: sa.Connection, changes: Sequence[Change], returned: Sequence[Any]) -> list[Row]:
        columns = {column.key: column for column in self._resource.table.columns}
        made: dict[str, Any] = {
            key: column.onupdate
            for key, column in columns.items()
            if _makes_values(column) and key not in changes[0][1]
        }
        rows: list[Change] = [
            (target, {**written, **{key: function.arg(None) for key, function in made.items()}})
            for target, written in sorted(changes, key=lambda change: _key(change[0]))
        ]
        width = len(rows[0][0].parameters) + len(rows[0][1]) + 1
        found: list[Row] = []
        for some in chunks(rows, width):
            found += connection.execute(self._update(some, columns, returned), dict(self._access.values)).all()
        return found

    def _update(self, changes: Sequence[Change], columns: Mapping[str, sa.Column[Any]], returned: Sequence[Any]) -> Any:
        target, written = changes[0]
        naming = dict(zip(target.parameters, self._resource.identity.attributes, strict=True))
        version = self._resource.version if target.versions is not None else None
        types: dict[str, TypeEngine[Any]] = {bind: it.column.type for bind, it in naming.items()}
        types |= {VERSIONS: sa.BigInteger()} if version else {}
        types |= {key + _NEW: columns[key].type for key in written}
        listed = given_rows(types, [_given(change) for change in changes])
        is_row: list[Condition] = [it.column == listed.c[bind] for bind, it in naming.items()]
        is_row += [version.column == listed.c[VERSIONS]] if version else []
        changes_of_row = {columns[key]: listed.c[key + _NEW] for key in written}
        update: Any = self._statements.changing.values(changes_of_row)
        return update.where(*is_row, *self._statements.conditions.own).returning(*returned)

    def _remove(self, connection: sa.Connection, targets: Sequence[Target]) -> list[Row]:
        identity, found = self._resource.identity, list[Row]()
        for keys in chunks(sorted(map(_key, targets)), len(identity.attributes)):
            delete = sa.delete(self._resource.table).where(identity.one_of(keys), *self._statements.conditions.own)
            found += connection.execute(delete.returning(*self._naming), dict(self._access.values)).all()
        return found

    def _see_all(self, connection: sa.Connection, targets: Mapping[int, Target], written: Collection[Key]) -> None:
        """See that each row was there to be written.

        Raises:
            Problem: Some were not; it is about the first, and tells the places of all that are missing as that is.
        """
        missing = {place: target for place, target in targets.items() if _key(target) not in written}
        if not missing:
            return
        guarded = [_key(target) for target in missing.values() if target.versions is not None]
        there = self._there(connection, guarded)
        changed = _key(next(iter(missing.values()))) in there
        alike = {"items": [place for place, target in missing.items() if (_key(target) in there) is changed]}
        if changed:
            raise PreconditionFailedError(OTHER_VERSION, extensions=alike)
        raise self._resource.not_found(**alike)

    def _there(self, connection: sa.Connection, wanted: Sequence[Key]) -> set[Key]:
        """Those of the keys that name a row in scope, of any version."""
        identity, found = self._resource.identity, set[Key]()
        for keys in chunks(wanted, len(identity.attributes)):
            seen = sa.select(*self._naming).where(identity.one_of(keys), *self._statements.conditions.own)
            found.update(tuple(row) for row in connection.execute(seen, dict(self._access.values)))
        return found


def _key(target: Target) -> Key:
    return tuple(target.parameters.values())


def _given(change: Change) -> dict[str, Any]:
    """A row of the list in the statement, by name."""
    target, written = change
    versions = {} if target.versions is None else {VERSIONS: next(iter(target.versions))}
    return {**target.parameters, **versions, **{key + _NEW: value for key, value in written.items()}}


def _makes_values(column: sa.Column[Any]) -> bool:
    """Whether each UPDATE calls a function for the column's value, as it must for each row."""
    return column.onupdate is not None and column.onupdate.is_callable


def is_called_alone(column: sa.Column[Any]) -> bool:
    """Whether such a function, if there is one, asks for nothing of the statement that it is called for."""
    if not _makes_values(column):
        return True
    function: Any = column.onupdate
    try:
        return not inspect.signature(function.arg).parameters
    except ValueError:
        return False
