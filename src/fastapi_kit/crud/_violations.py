"""From a violated constraint to the fields of the request that violated it."""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import sqlalchemy as sa

from fastapi_kit.crud._resource import Resource
from fastapi_kit.db import Violation


def violated_fields(violation: Violation, resource: Resource) -> tuple[str, ...]:
    """The attributes that the violated constraint is about, in the table's order.

    None if it is another table's; and those only that clients know of.
    """
    if violation.columns:
        names = set(violation.columns) if violation.table in {None, resource.table.name} else set[str]()
    else:
        names = {column.name for column in _columns_of(violation.constraint, resource.table)}
    return named_fields(names, resource)


def missing_references(
    connection: sa.Connection, resource: Resource, rows: Iterable[Mapping[str, Any]]
) -> tuple[str, ...]:
    """The attributes that refer to rows which are not there, in the first of `rows`, by column, that has any.

    For SQLite, which does not tell which foreign key was violated. Asked only after it was.
    """
    found = (_missing_references(connection, resource, values) for values in rows)
    return next(filter(None, found), ())


def _missing_references(connection: sa.Connection, resource: Resource, values: Mapping[str, Any]) -> tuple[str, ...]:
    missing: set[str] = set()
    for reference in resource.table.foreign_key_constraints:
        pairs = [(element.column, values.get(element.parent.key)) for element in reference.elements]
        if all(value is not None for _, value in pairs):
            found: sa.Select[Any] = (
                sa.select(sa.literal_column("1", sa.Integer()))
                .where(*(column == value for column, value in pairs))
                .limit(1)
            )
            if connection.execute(found).first() is None:
                missing |= {element.parent.name for element in reference.elements}
    return named_fields(missing, resource)


def named_fields(column_names: Iterable[str], resource: Resource) -> tuple[str, ...]:
    """The attributes of these columns, those only that clients know of."""
    wanted = set(column_names)
    return tuple(name for name, column in resource.columns.items() if column.name in wanted and resource.knows(name))


def _columns_of(constraint: str | None, table: sa.Table) -> Iterable[sa.Column[Any]]:
    inline = (constraint for column in table.columns for constraint in column.constraints)
    candidates: list[sa.Constraint | sa.Index] = [*table.constraints, *table.indexes, *inline]
    for candidate in candidates:
        columns = _columns(candidate, table)
        if constraint is not None and constraint in _names(candidate, [column.name for column in columns], table.name):
            return columns
    return ()


def _columns(candidate: sa.Constraint | sa.Index, table: sa.Table) -> list[sa.Column[Any]]:
    if isinstance(candidate, sa.CheckConstraint) and not list(candidate.columns):
        # A condition that was given as text knows no columns; its words may name some.
        words = set(re.findall(r"\w+", str(candidate.sqltext)))
        return [column for column in table.columns if column.name in words]
    columns: Any = getattr(candidate, "columns", ())
    return list(columns)


def _names(candidate: sa.Constraint | sa.Index, columns: list[str], table: str) -> Iterator[str]:
    """The name that the model gives a constraint, or those that databases give to one without."""
    if isinstance(candidate.name, str):
        yield candidate.name
    joined = "_".join(columns)
    match candidate:
        case sa.PrimaryKeyConstraint():
            yield from (f"{table}_pkey", "PRIMARY")
        case sa.UniqueConstraint():
            yield from (f"{table}_{joined}_key", columns[0] if columns else "")
        case sa.ForeignKeyConstraint():
            yield f"{table}_{joined}_fkey"
        case sa.CheckConstraint():
            # SQLite tells the condition itself, MariaDB the column that it stands at.
            yield from (f"{table}_{joined}_check", str(candidate.sqltext), joined)
        case _:
            pass
