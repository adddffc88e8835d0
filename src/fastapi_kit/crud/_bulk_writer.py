"""Bulk writes: many rows in one transaction, by one statement for all that have the same columns."""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from fastapi_kit.crud._executor import Executor, Work
from fastapi_kit.crud._steps import Target
from fastapi_kit.crud._writer import Row, Writer


class BulkWriter:
    """Writes many rows, all or none."""

    def __init__(self, writer: Writer) -> None:
        self._writer = writer

    async def create(self, bodies: Sequence[dict[str, Any]]) -> list[Row]:
        """Make rows; they come back in the order of their values.

        Raises:
            Problem: One of them is refused; nothing is stored.
        """
        writer = self._writer
        values = [writer.stamped("create", body) for body in bodies]
        written = [writer.by_column(each) for each in values]
        alone = writer.stands_alone("create", {key for each in written for key in each})
        with writer.below_parent():
            async with writer.executor.together() as place:
                if alone:
                    rows = await place.run(self._insert(written), *written)
                else:
                    rows = [await writer.write_in(place, "create", each, None) for each in values]
                writer.announce_later(place, writer.changed("create", [writer.identity(row, None) for row in rows]))
        return rows

    async def update(self, changes: Sequence[tuple[Target, dict[str, Any]]]) -> list[Row]:
        """Change rows; they come back in the order of their changes.

        Raises:
            Problem: One of them is refused; nothing is changed.
        """
        writer = self._writer
        async with writer.executor.together() as place:
            rows = [await self._update_one(place, target, values) for target, values in changes]
            keys = [writer.identity(row, None) for row, (_, values) in zip(rows, changes, strict=True) if values]
            if keys:
                writer.announce_later(place, writer.changed("update", keys))
        return rows

    async def delete(self, targets: Sequence[Target]) -> None:
        """Remove rows, or put them out of use where deletion is soft.

        Raises:
            Problem: One of them is refused; all are still there.
        """
        writer = self._writer
        async with writer.executor.together() as place:
            for target in targets:
                await writer.write_in(place, "delete", {}, target)
            keys = [tuple(target.parameters.values()) for target in targets]
            writer.announce_later(place, writer.changed("delete", keys))

    async def _update_one(self, place: Executor, target: Target, values: dict[str, Any]) -> Row:
        writer = self._writer
        if not values:
            return await place.run(writer.steps.look(target))
        row: Row = await writer.write_in(place, "update", writer.stamped("update", values), target)
        return row

    def _insert(self, rows: Sequence[dict[str, Any]]) -> Work[list[Row]]:
        """Insert all rows of the same columns by one statement: a row without a column gets that column's default."""
        groups: dict[tuple[str, ...], list[int]] = {}
        for place, row in enumerate(rows):
            groups.setdefault(tuple(row), []).append(place)

        def work(connection: sa.Connection) -> list[Row]:
            made: dict[int, Row] = {}
            for places in groups.values():
                alike = [rows[place] for place in places]
                made.update(zip(places, self._insert_alike(connection, alike), strict=True))
            return [made[place] for place in range(len(rows))]

        return work

    def _insert_alike(self, connection: sa.Connection, rows: Sequence[dict[str, Any]]) -> Sequence[Row]:
        """Insert rows of the same columns, and give them back in their order, in which no database promises them."""
        statements, table = self._writer.statements, self._writer.resource.table
        counted = table.autoincrement_column
        if counted is not None and counted.key not in rows[0]:
            if connection.dialect.name == "sqlite":
                # SQLAlchemy would insert one by one; SQLite counts the rows of a statement up in their order.
                return sorted(connection.execute(statements.insert, rows).all(), key=statements.layout.key)
        elif not all(_is_found_again(key) for key in table.primary_key.columns):
            return [connection.execute(statements.insert, row).one() for row in rows]
        return connection.execute(statements.insert_many, rows).all()


_EXACT = frozenset({sa.Integer, sa.SmallInteger, sa.BigInteger, sa.String, sa.Text, sa.Unicode, sa.UnicodeText})


def _is_found_again(column: sa.Column[Any]) -> bool:
    """Whether a stored value equals the one that was sent, on every database: no instant without its zone, say."""
    type_ = column.type
    return type(type_) in _EXACT or (isinstance(type_, sa.Uuid) and bool(type_.as_uuid))
