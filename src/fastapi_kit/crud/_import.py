"""Rows by the thousand into one table, from a stream, in constant memory.

Theory of operation. A batch is one `executemany`: the driver sends one statement and many rows, so no number of rows
meets the limit of a statement's parameters (32,766 on SQLite, 32,767 on PostgreSQL), and two rows of a batch with the
same key are fine in an upsert. SQLAlchemy takes the columns of an `executemany` from its first row, and would leave
out what others have besides; so rows are written together only if they have the same attributes, and what a row does
not have gets the column's default, or stays as it is.
"""

from collections.abc import AsyncIterable, Callable, Iterable, Sequence
from difflib import get_close_matches
from functools import lru_cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession
from sqlalchemy.orm import DeclarativeBase

from fastapi_kit.crud._attributes import read_columns
from fastapi_kit.crud._batches import Grouping, OnConflict, Row, in_batches
from fastapi_kit.crud._errors import ResourceError
from fastapi_kit.crud._keys import named_key
from fastapi_kit.crud._upsert import insert_or_skip, upsert

_STATEMENTS_KEPT = 100
"""Each set of attributes has its own upsert; a stream may have any number of sets."""


async def import_rows(  # noqa: PLR0913 - each option is independent of the others
    connection: AsyncConnection | AsyncSession,
    model: type[DeclarativeBase],
    rows: Iterable[Row] | AsyncIterable[Row],
    *,
    on_conflict: OnConflict = "error",
    conflict_columns: Sequence[str] | None = None,
    batch: int = 1000,
    progress: Callable[[int], None] | None = None,
) -> int:
    """Write `rows` into the table of `model`, in the caller's transaction, holding one batch of them at a time.

        async with database.engine.begin() as connection:
            await import_rows(connection, City, csv.DictReader(file), on_conflict="update")

    Rows may have different attributes: those that a row does not have get the column's default, or are left as they
    are by an update. Nothing of the ORM takes part: no validators, no events; objects that a session has loaded already
    keep their values until they are refreshed. What the session has pending is flushed first.

    Args:
        connection: A connection or a session. Nothing is committed here, and what was written before an error is for
            the caller to roll back.
        model: Mapped to a table of its own.
        rows: Values by the names of the attributes. A synchronous iterable must not block for long, as it is read on
            the event loop, batch by batch.
        on_conflict: For rows that are there already: `"error"` raises the database's `IntegrityError`, `"skip"` leaves
            them alone, `"update"` writes the given attributes, and the columns that change by themselves (`onupdate`).
            Other violations always raise.
        conflict_columns: The attributes of the key by which a row is there already. `"update"` takes the primary key
            if they are left out, `"skip"` any key.
        batch: Rows at a time.
        progress: Called after each batch with the number of rows that are done.

    Returns:
        How many rows were read from `rows`, also those that were skipped.

    Raises:
        ResourceError: The model has no such attribute or key, or an attribute without a default is missing. Each batch
            is checked before any of it is written. On MariaDB, `conflict_columns` of a table with another unique key,
            as the database would take a conflict with that for one of theirs.
        sqlalchemy.exc.DBAPIError: The database refuses a row.
        sqlalchemy.exc.StatementError: A value does not fit its column's type.
    """
    if isinstance(connection, AsyncSession):
        await connection.flush()
        connection = await connection.connection(bind_arguments={"mapper": model})
    writes = _Writes(model, on_conflict, conflict_columns, connection.dialect.name)
    done = 0
    async for several in in_batches(rows, batch):
        for statement, values in writes.of(several):
            await connection.execute(statement, values)
        done += len(several)
        if progress is not None:
            progress(done)
    return done


class _Writes:
    """Which statements write the rows of a model. Pure."""

    def __init__(
        self, model: type[DeclarativeBase], on_conflict: OnConflict, key: Sequence[str] | None, dialect: str
    ) -> None:
        self._model = model.__name__
        _, self._table, attributes = read_columns(model)
        self._columns = {name: it.stored_column for name, it in attributes.items() if it.stored_column is not None}
        self._names = {column: name for name, column in self._columns.items()}
        self._on_conflict = on_conflict
        self._dialect = dialect
        self._key = self._conflict_key(key)
        key_names = {self._names[column] for column in self._key or () if column in self._names}
        self._required = {name for name, attribute in attributes.items() if not attribute.has_default}
        if on_conflict == "update":  # where a row that leaves its key to a default would meet nobody
            self._required |= key_names
        self._groups = Grouping(self._table, self._names, on_conflict, key_names, dialect).of
        self._renamed = any(name != column.key for column, name in self._names.items())
        onupdate = any(column.onupdate is not None for column in self._table.columns)
        # With many rows, MariaDB's drivers put no values into what stands behind VALUES.
        self._one_by_one = dialect in {"mysql", "mariadb"} and on_conflict == "update" and onupdate
        self._statement = lru_cache(_STATEMENTS_KEPT)(self._make_statement)

    def of(self, rows: Sequence[Row]) -> list[tuple[sa.Insert, Sequence[Row] | Row]]:
        """The statements for a batch, and the row or the rows of each.

        Raises:
            ResourceError: A row has an attribute too many or lacks one.
        """
        groups = self._groups(rows)
        for names, _ in groups:
            self._check(names)
        writes = [(self._statement(names), self._parameters(group)) for names, group in groups]
        if self._one_by_one:
            return [(statement, row) for statement, group in writes for row in group]
        return [*writes]

    def _parameters(self, rows: Sequence[Row]) -> Sequence[Row]:
        if not self._renamed:
            return rows
        keys = {name: self._columns[name].key for name in rows[0]}
        return [{keys[name]: value for name, value in row.items()} for row in rows]

    def _make_statement(self, names: frozenset[str]) -> sa.Insert:
        if self._on_conflict == "error":
            return sa.insert(self._table)
        if self._on_conflict == "skip" or self._key is None:
            return insert_or_skip(self._dialect, self._table, self._key)
        key = set(self._key)
        updated = [column for column, name in self._names.items() if name in names and column not in key]
        return upsert(self._dialect, self._table, self._key, updated)

    def _check(self, names: frozenset[str]) -> None:
        for name in sorted(map(str, names - self._columns.keys())):  # not all are text: csv names surplus ones None
            close = get_close_matches(name, self._columns, 1)
            cure = f"did you mean {close[0]!r}?" if close else "leave it out of the rows"
            raise ResourceError(f"{self._model} has no column attribute {name!r}: {cure}")
        for name in names:
            if self._columns[name].computed is not None:
                raise ResourceError(f"{self._model}.{name} is computed by the database: leave it out of the rows")
        missing = ", ".join(sorted(self._required - names))
        if missing:
            raise ResourceError(f"a row of {self._model} lacks {missing}: give it a value")

    def _conflict_key(self, given: Sequence[str] | None) -> Sequence[sa.Column[Any]] | None:
        """The columns of the key that is meant; `None` for any key."""
        if given is None:
            return list(self._table.primary_key.columns) if self._on_conflict == "update" else None
        if self._on_conflict == "error":
            raise ResourceError("conflict_columns mean something with on_conflict='skip' or 'update' only")
        return named_key(self._table, self._names, given, self._model, "conflict_columns")
