"""The keys of a table: which columns name one row, by what the table declares."""

from collections.abc import Iterator, Sequence
from typing import Any

import sqlalchemy as sa

Columns = Sequence[sa.Column[Any]]


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


def _is_partial(index: sa.Index) -> bool:
    """Whether rows may be left out of it, among which it is not unique then."""
    return any(name.endswith("_where") and value is not None for name, value in index.dialect_kwargs.items())
