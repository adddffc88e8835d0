"""Rows of a stream in batches, and which rows of a batch are written together. Pure but for reading the stream.

Theory of operation. Only rows of the same attributes can be written together. Where attributes alternate, keeping the
rows in their order means one statement for each, at many times the cost; so rows that stand apart are brought together
wherever nobody can tell. The order can be told if a row may refer to an earlier one of its table, and, if rows that are
there are skipped or updated, if two rows of the batch may have a unique key in common: the second one meets the first.
An update may also free a value of another unique key, which a later row then takes.

Whether two keys differ is for the database to say, whose collation may ignore case. So keys are compared here only if
they are numbers, UUIDs, or text that is compared as it is; all else counts as equal.
"""

from collections.abc import AsyncIterable, AsyncIterator, Collection, Iterable, Iterator, Mapping, Sequence
from itertools import groupby, islice
from typing import Any, Literal
from uuid import UUID

import sqlalchemy as sa

from fastapi_kit.crud._keys import refers_to_itself

Row = Mapping[str, Any]
OnConflict = Literal["error", "skip", "update"]
Group = tuple[frozenset[str], Sequence[Row]]
"""Attributes, and the rows that have just these."""

_COMPARABLE: Mapping[type[Any], type[Any]] = {
    sa.SmallInteger: int,
    sa.Integer: int,
    sa.BigInteger: int,
    sa.Uuid: UUID,
    sa.String: str,
}
"""By type of column, the values of which different ones are different keys."""


async def in_batches(rows: Iterable[Row] | AsyncIterable[Row], size: int) -> AsyncIterator[Sequence[Row]]:
    """The rows, `size` at a time; no more of them are read ahead."""
    if size < 1:
        raise ValueError(f"a batch has one row or more, not {size}")
    if not isinstance(rows, AsyncIterable):
        iterator = iter(rows)
        while batch := list(islice(iterator, size)):
            yield batch
        return
    batch = list[Row]()
    async for row in rows:
        batch.append(row)
        if len(batch) == size:
            yield batch
            batch = list[Row]()
    if batch:
        yield batch


class Grouping:
    """Groups the rows of a batch by their attributes.

    Args:
        table: Where the rows are written.
        names: The attributes of its columns.
        on_conflict: What becomes of rows that are there already.
        key: The attributes by which an update finds them.
        dialect: The name of SQLAlchemy's dialect.
    """

    def __init__(
        self,
        table: sa.Table,
        names: Mapping[sa.Column[Any], str],
        on_conflict: OnConflict,
        key: Collection[str],
        dialect: str,
    ) -> None:
        self._refers_to_itself = refers_to_itself(table)
        self._on_conflict = on_conflict
        self._key = frozenset(key)
        ignores_case = dialect in {"mysql", "mariadb"}
        self._uniques: list[_Unique] = [
            {names[column]: _comparable(column, ignores_case) for column in columns}
            if all(column in names for column in columns)
            else {}
            for columns in _unique_columns(table)
        ]

    def of(self, rows: Sequence[Row]) -> Sequence[Group]:
        """The rows in groups, in the order in which these are to be written."""
        runs: list[Group] = [(names, list(run)) for names, run in groupby(rows, frozenset)]
        if len(runs) == 1 or not self._may_reorder(rows, frozenset(name for names, _ in runs for name in names)):
            return runs
        groups: dict[frozenset[str], list[Row]] = {}
        for names, run in runs:
            groups.setdefault(names, []).extend(run)
        return list(groups.items())

    def _may_reorder(self, rows: Sequence[Row], given: frozenset[str]) -> bool:
        if self._refers_to_itself:
            return False
        if self._on_conflict == "error":
            return True
        met = [unique for unique in self._uniques if not unique or not given.isdisjoint(unique)]
        if self._on_conflict == "update" and any(frozenset(unique) != self._key for unique in met):
            return False
        return all(_all_differ(unique, rows) for unique in met)


_Unique = Mapping[str, type[Any] | None]
"""The attributes that no two rows have in common, and what their values must be to be compared; `None` if they cannot
be. Without attributes it is about something else, and any row may meet any other."""


def _unique_columns(table: sa.Table) -> Iterator[Sequence[sa.Column[Any]]]:
    """The columns of each constraint and index that a second row may violate; none if it is about more than columns."""
    for constraint in table.constraints:
        if isinstance(constraint, sa.PrimaryKeyConstraint | sa.UniqueConstraint):
            yield list(constraint.columns)
        elif not isinstance(constraint, sa.CheckConstraint | sa.ForeignKeyConstraint):
            yield []  # an exclusion constraint
    for index in table.indexes:
        if index.unique:
            columns = [column for column in index.expressions if isinstance(column, sa.Column)]
            yield columns if len(columns) == len(index.expressions) else []


def _comparable(column: sa.Column[Any], ignores_case: bool) -> type[Any] | None:
    if isinstance(column.type, sa.String) and (ignores_case or column.type.collation is not None):
        return None
    return _COMPARABLE.get(type(column.type))


def _all_differ(unique: _Unique, rows: Sequence[Row]) -> bool:
    types = tuple(unique.values())
    seen: set[tuple[Any, ...]] = set()
    for row in rows:
        values = tuple(row.get(name) for name in unique)
        if not unique or tuple(map(type, values)) != types:
            return False
        seen.add(values)
    return len(seen) == len(rows)
