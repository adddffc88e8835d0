"""Bulk writes: many rows in one transaction, by one statement for all that have the same columns.

What needs a row by itself is written row by row, in the order of the request: where there are hooks, where a reference
or the scope has to be looked at, and where `SetSteps` says that one statement would not do the same.
"""

from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa

from fastapi_kit.crud._executor import Executor
from fastapi_kit.crud._steps import Row, Target
from fastapi_kit.crud._writer import Writer
from fastapi_kit.errors import NotFoundError, PreconditionFailedError

Change = tuple[Target, dict[str, Any]]
"""A row and its values, by attribute."""


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
                    rows = await place.run(writer.sets.insert(written), *written)
                else:
                    rows = [await writer.write_in(place, "create", each, None) for each in values]
                writer.announce_later(place, writer.changed("create", [writer.identity(row, None) for row in rows]))
        return rows

    async def update(self, changes: Sequence[Change]) -> list[Row]:
        """Change rows; they come back in the order of their changes.

        Raises:
            Problem: One of them is refused; nothing is changed.
        """
        writer = self._writer
        stamped = [(target, values and writer.stamped("update", values)) for target, values in changes]
        rows: dict[int, Row] = {}
        async with writer.executor.together() as place:
            for numbers in self._alike(stamped, place.dialect):
                rows |= await self._update_together(place, {number: stamped[number] for number in numbers})
            for number, (target, values) in enumerate(stamped):
                if number not in rows:
                    with _item(number):
                        rows[number] = await self._update_one(place, target, values)
            ordered = [rows[number] for number in range(len(changes))]
            keys = [writer.identity(row, None) for row, (_, values) in zip(ordered, changes, strict=True) if values]
            if keys:
                writer.announce_later(place, writer.changed("update", keys))
        return ordered

    async def delete(self, targets: Sequence[Target]) -> None:
        """Remove rows, or put them out of use where deletion is soft.

        Raises:
            Problem: One of them is refused; all are still there.
        """
        writer = self._writer
        async with writer.executor.together() as place:
            alone = len(targets) > 1 and writer.stands_alone("delete", ())
            if alone and writer.sets.can_delete(place.dialect):
                await place.run(writer.sets.delete(targets))
            else:
                for number, target in enumerate(targets):
                    with _item(number):
                        await writer.write_in(place, "delete", {}, target)
            keys = [tuple(target.parameters.values()) for target in targets]
            writer.announce_later(place, writer.changed("delete", keys))

    def _alike(self, changes: Sequence[Change], dialect: sa.Dialect) -> list[list[int]]:
        """The numbers of the changes that one statement makes: of the same columns, with or without a version."""
        writer, groups = self._writer, dict[tuple[frozenset[str], bool], list[int]]()
        for number, (target, values) in enumerate(changes):
            groups.setdefault((frozenset(writer.by_column(values)), target.versions is None), []).append(number)
        return [
            numbers
            for (columns, _), numbers in groups.items()
            if len(numbers) > 1
            and columns
            and writer.stands_alone("update", columns)
            and writer.sets.can_update(columns, dialect)
        ]

    async def _update_together(self, place: Executor, changes: Mapping[int, Change]) -> dict[int, Row]:
        writer = self._writer
        written = {number: (target, writer.by_column(values)) for number, (target, values) in changes.items()}
        return await place.run(writer.sets.update(written), *(values for _, values in written.values()))

    async def _update_one(self, place: Executor, target: Target, values: dict[str, Any]) -> Row:
        writer = self._writer
        if not values:
            return await place.run(writer.steps.look(target))
        row: Row = await writer.write_in(place, "update", values, target)
        return row


@contextmanager
def _item(place: int) -> Generator[None]:
    """Let a problem tell the place of the row that it is about."""
    try:
        yield
    except (NotFoundError, PreconditionFailedError) as problem:
        problem.extensions.setdefault("items", [place])
        raise
