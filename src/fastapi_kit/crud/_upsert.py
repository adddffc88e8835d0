"""INSERT statements that meet a row which is there already, and skip or update it. Pure.

Theory of operation. PostgreSQL and SQLite name the key whose conflict is meant (`ON CONFLICT (code) …`); a conflict
with any other key stays an error. MariaDB's `ON DUPLICATE KEY UPDATE` names none: it fires for whichever unique key
comes first, and then writes to a row that shares, say, the e-mail address with the new one, but not its number. So a
key is named on MariaDB only for tables where no other one can be met, and is refused for others. `INSERT IGNORE` is not
used at all, as it also ignores missing parents and values that do not fit.
"""

from collections.abc import Callable, Collection, Mapping
from types import MappingProxyType
from typing import Any, cast

import sqlalchemy as sa
from sqlalchemy.dialects import mysql, postgresql, sqlite
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql import visitors
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.visitors import InternalTraversal

from fastapi_kit.crud._errors import ResourceError
from fastapi_kit.crud._keys import Columns, unique_keys

_TARGETED: Mapping[str, Callable[[sa.Table], Any]] = {"postgresql": postgresql.insert, "sqlite": sqlite.insert}
"""Databases that name the key of a conflict; both have the same construct."""


def insert_or_skip(dialect: str, table: sa.Table, conflict_columns: Columns | None = None) -> sa.Insert:
    """An INSERT that leaves a row alone which is there already.

    Args:
        dialect: The name of SQLAlchemy's dialect.
        table: Where to insert.
        conflict_columns: The key by which a row is there already; any unique key if not given. A conflict with another
            key is an error.

    Raises:
        ResourceError: MariaDB, and another key could be met.
    """
    make = _TARGETED.get(dialect)
    if make is not None:
        statement: sa.Insert = make(table).on_conflict_do_nothing(index_elements=conflict_columns)
        return statement
    if conflict_columns is not None:
        _check_only_key(table, conflict_columns, ())
    key = (conflict_columns or list(table.primary_key.columns))[0]
    return mysql.insert(table).on_duplicate_key_update({key.key: key})


def upsert(  # noqa: PLR0913 - what is inserted, when it meets a row, and what of that changes
    dialect: str,
    table: sa.Table,
    conflict_columns: Columns,
    updated_columns: Collection[sa.Column[Any]],
    where: sa.ColumnElement[bool] | None = None,
    *,
    besides: Mapping[sa.Column[Any], sa.ColumnElement[Any]] = MappingProxyType({}),
) -> sa.Insert:
    """An INSERT that updates the row which has the same `conflict_columns`, if there is one.

    `.returning(...)` may be added; a row that `where` protects is neither changed nor returned. Which columns are
    inserted is for the parameters to say.

    Args:
        dialect: The name of SQLAlchemy's dialect.
        table: Where to insert.
        conflict_columns: The key by which a row is there already; a conflict with another key is an error.
        updated_columns: The columns that an existing row takes from the new one. Those with `onupdate` change besides,
            as in any UPDATE (a function of theirs gets no context); if there are none to take, the row is skipped.
        where: Only update rows of which this holds. Columns of `table` mean the row that is there, also in subqueries.
        besides: What else changes of an existing row, in terms of its columns: `{version: version + 1}`.

    Raises:
        ResourceError: MariaDB, and another key could be met, or `where` was given. An auto-increment key that is in
            neither list of columns is taken to be left to the database, and so is never met.
    """
    if not updated_columns:
        return insert_or_skip(dialect, table, conflict_columns)
    make = _TARGETED.get(dialect)
    if make is not None:
        insert: Any = make(table)
        changes = {**_changes(table, conflict_columns, updated_columns, insert.excluded), **_by_key(besides)}
        condition = None if where is None else _about_the_row(where, table)
        updating: sa.Insert = insert.on_conflict_do_update(
            index_elements=conflict_columns, set_=changes, where=condition
        )
        return updating
    if where is not None:
        raise ResourceError(
            f"an upsert of {table.name} under a condition needs PostgreSQL or SQLite: on MariaDB lock the row by "
            "SELECT … FOR UPDATE, then INSERT or UPDATE"
        )
    _check_only_key(table, conflict_columns, updated_columns)
    duplicate = mysql.insert(table)
    changes = _changes(table, conflict_columns, updated_columns, duplicate.inserted)
    return duplicate.on_duplicate_key_update({**changes, **_by_key(besides)})


def _check_only_key(table: sa.Table, conflict_columns: Columns, written: Collection[sa.Column[Any]]) -> None:
    """Refuse a named key on MariaDB if a row could be met by another one."""
    left_to_database = {table.autoincrement_column} - {*conflict_columns, *written}
    for key in unique_keys(table):
        if set(key) != set(conflict_columns) and not left_to_database & set(key):
            raise ResourceError(
                f"{table.name} is also unique by {_names(key)}, and MariaDB takes a conflict there for one of "
                f"{_names(conflict_columns)}: look the rows up, and INSERT or UPDATE"
            )


def _names(columns: Columns) -> str:
    return ", ".join(column.name for column in columns)


def _changes(
    table: sa.Table, conflict_columns: Columns, updated_columns: Collection[sa.Column[Any]], new: Any
) -> dict[str, Any]:
    """What an existing row gets, by column: the new row's values, and what an UPDATE changes by itself."""
    changes = {column.key: new[column.key] for column in updated_columns}
    for column in table.columns:
        if column.onupdate is not None and column.key not in changes and column not in set(conflict_columns):
            changes[column.key] = _own_change(column)
    return changes


def _by_key(besides: Mapping[sa.Column[Any], sa.ColumnElement[Any]]) -> dict[str, sa.ColumnElement[Any]]:
    return {column.key: change for column, change in besides.items()}


def _own_change(column: sa.Column[Any]) -> sa.ColumnElement[Any]:
    default: Any = column.onupdate
    if default.is_callable:
        return sa.bindparam(None, callable_=lambda: default.arg(None), type_=column.type, unique=True)
    if default.is_clause_element:
        changed: sa.ColumnElement[Any] = _qualified(default.arg, column.table)
        return changed
    return sa.literal(default.arg, column.type)


def _qualified(expression: Any, table: Any) -> Any:
    """`version + 1` as `notes.version + 1`: a bare name could be the new row's, which PostgreSQL calls ambiguous."""
    columns = {column.name: column for column in table.columns}

    def qualify(element: Any) -> Any:
        bare = isinstance(element, sa.ColumnClause) and element.table is None and not element.is_literal
        return columns.get(element.name) if bare else None

    return _replaced(expression, qualify)


def _about_the_row(where: sa.ColumnElement[bool], table: sa.Table) -> "_Held":
    """`where` with each column of `table` meaning the row that is there.

    SQLAlchemy takes an INSERT for nothing that a subquery could refer to: `EXISTS (… WHERE member.team = note.team)`
    would get a FROM of all notes, and hold for this note if it holds for any.
    """
    held = {column: _Held(column) for column in table.columns}
    return _Held(_replaced(where, held.get))


def _replaced(expression: Any, replace: Callable[[Any], Any]) -> Any:
    """`expression` with what `replace` gives in place of its elements, at any depth; `None` keeps one."""

    def replaced(element: Any, **_: Any) -> Any:
        return replace(element)

    return cast("Any", visitors).replacement_traverse(expression, {}, replaced)


class _Held(sa.ColumnElement[Any]):
    """An expression that adds no FROM to what it stands in, and is written as in a SELECT: tables with their schema."""

    _traverse_internals = [("held", InternalTraversal.dp_clauseelement)]  # noqa: RUF012 - as SQLAlchemy declares it
    inherit_cache = True

    def __init__(self, held: sa.ColumnElement[Any]) -> None:
        self.held = held
        self.type = held.type


@compiles(_Held)
def _as_in_select(element: _Held, compiler: SQLCompiler, **options: Any) -> str:
    return compiler.process(element.held, **{**options, "include_table": True, "use_schema": True})
