"""The keys of a table: which columns name one row, by what the table declares, and how their values compare."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.sql import visitors

from fastapi_kit.crud._errors import ResourceError

Columns = Sequence[sa.Column[Any]]

_EXACT = frozenset({sa.Integer, sa.SmallInteger, sa.BigInteger, sa.String, sa.Text, sa.Unicode, sa.UnicodeText})


def unique_keys(table: sa.Table) -> Iterator[Columns]:
    """The columns of each key that no two rows of `table` share: its primary key and what it declares as unique.

    An index over an expression, or one that holds for some of the rows only, cannot be named by its columns.
    """
    yield list(table.primary_key.columns)
    for constraint in table.constraints:
        if isinstance(constraint, sa.UniqueConstraint):
            yield list(constraint.columns)
    for index in table.indexes:
        columns = [column for column in index.expressions if isinstance(column, sa.Column)]
        if index.unique and not _is_partial(index) and len(columns) == len(index.expressions):
            yield columns


def named_key(
    table: sa.Table, names: Mapping[sa.Column[Any], str], given: Collection[str], model: str, argument: str
) -> Columns:
    """The key of `table` whose attributes are called `given`, in any order.

    Args:
        table: Whose.
        names: The attributes of its columns.
        given: What `argument` says.
        model: Whose table it is, and
        argument: where the names were given, for the message.

    Raises:
        ResourceError: It has no such key.
    """
    known = {frozenset(names.get(it, it.name) for it in key): key for key in unique_keys(table)}
    key = known.get(frozenset(given))
    if key is None:
        raise ResourceError(
            f"{model} is not unique by {', '.join(given)}: declare a UniqueConstraint, or give as "
            f"{argument} {' or '.join(', '.join(sorted(it)) for it in known)}"
        )
    return key


def deciding_uniqueness(table: sa.Table) -> frozenset[sa.Column[Any]]:
    """The columns whose values decide whether two rows of `table` may be there together.

    Where that is an index over SQL as text, or a constraint of another kind, it may be any column.
    """
    found = {column for key in unique_keys(table) for column in key}
    for constraint in table.constraints:
        known = sa.PrimaryKeyConstraint | sa.UniqueConstraint | sa.CheckConstraint | sa.ForeignKeyConstraint
        if not isinstance(constraint, known):
            return frozenset(table.columns)  # an exclusion constraint
    for index in table.indexes:
        if index.unique:
            parts = list(_parts(index))
            if any(isinstance(part, sa.TextClause) or getattr(part, "is_literal", False) for part in parts):
                return frozenset(table.columns)
            found |= {column for column in table.columns if column in set(parts)}
    return frozenset(found)


def one_of(columns: Sequence[sa.ColumnElement[Any]], keys: Sequence[tuple[Any, ...]]) -> sa.ColumnElement[bool]:
    """SQL that holds for the rows of `keys`, each with a value for each of `columns`."""
    if len(columns) == 1:
        return columns[0].in_([value for (value,) in keys])
    return sa.tuple_(*columns).in_(keys)


def refers_to_itself(table: sa.Table) -> bool:
    """Whether a row of `table` may refer to another one."""
    return any(foreign.referred_table is table for foreign in table.foreign_key_constraints)


def is_exact(column: sa.Column[Any], dialect: str) -> bool:
    """Whether a stored value equals the one by which it is found: no instant without its zone, no case ignored."""
    type_ = column.type
    if isinstance(type_, sa.String) and (dialect in {"mysql", "mariadb"} or type_.collation is not None):
        return False
    return type(type_) in _EXACT or (isinstance(type_, sa.Uuid) and bool(type_.as_uuid))


def _parts(index: sa.Index) -> Iterator[Any]:
    """All that an index is made of."""
    made: list[Any] = [*index.expressions, *_conditions(index)]
    for each in made:
        yield from visitors.iterate(each)


def _conditions(index: sa.Index) -> list[Any]:
    """What holds for the rows that are in an index, if only some are."""
    return [value for name, value in index.dialect_kwargs.items() if name.endswith("_where") and value is not None]


def _is_partial(index: sa.Index) -> bool:
    """Whether rows may be left out of it, among which it is not unique then."""
    return bool(_conditions(index))
