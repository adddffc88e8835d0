"""Upserts: rows that are made, or changed if there is one with the same key already.

Theory of operation. Rows of the same attributes go by one statement (`_upsert`), under the resource's conditions: it
changes no row that is out of scope or out of use, and what it leaves out is told as the conflict that a create would
meet. Whether it has made or changed a row, the database does not say; so listeners are told of an `upsert`.

Where a hook has to know beforehand, where a reference has to be looked at, and on MariaDB, which takes no condition,
each row is looked up and locked, and then made or changed like any other. If somebody else makes it in between, the row
has been made in vain, up to the savepoint before it, and is then changed.
"""

from collections.abc import Mapping, Sequence

from fastapi_kit.crud._executor import Executor
from fastapi_kit.crud._steps import Target
from fastapi_kit.crud._upsert_terms import Key, UpsertTerms, Values
from fastapi_kit.crud._violations import named_fields
from fastapi_kit.crud._writer import Writer
from fastapi_kit.db import Violation, conflict
from fastapi_kit.errors import ConflictError, NotFoundError


class UpsertWriter:
    """Makes or changes many rows, all or none."""

    def __init__(self, writer: Writer) -> None:
        self._writer = writer
        self._steps = writer.upserts

    async def write(self, rows: Sequence[Values], terms: UpsertTerms) -> list[Key]:
        """Make or change rows; their identities, in the order of their values.

        Raises:
            ValueError: A row lacks its key, or has that of another one.
            Problem: One of them is refused; nothing is stored.
        """
        writer = self._writer
        new = [writer.stamped("create", row) for row in rows]
        by_key = {terms.key_of(row): row for row in new}
        if len(by_key) < len(new):
            raise ValueError(f"two rows have the same {', '.join(terms.key)}: which of them is meant is unclear")
        columns = writer.by_column({name: None for row in new for name in row})
        watched = writer.is_watched("create", columns) or writer.is_watched("update", columns)
        with writer.below_parent():
            async with writer.executor.together() as place:
                if not watched and self._steps.can_write(terms, place.dialect):
                    found, written = await self._write_together(place, terms, by_key)
                    if writer.may_leave_scope("create", columns):
                        await place.run(writer.sets.check_scope(list(found.values())))
                else:
                    found, written = await self._write_singly(place, terms, by_key)
                if written:
                    writer.announce_later(place, writer.changed("upsert", list(written.values())))
        return [found[key] for key in by_key]

    async def _write_together(
        self, place: Executor, terms: UpsertTerms, rows: Mapping[Key, Values]
    ) -> tuple[dict[Key, Key], dict[Key, Key]]:
        """The identities of all rows, and of those that were made or changed."""
        by_column = self._writer.by_column
        written = await place.run(self._steps.write(terms, rows, by_column), *map(by_column, rows.values()))
        unchanged = [key for key, row in rows.items() if key not in written and not terms.updates(row)]
        found = {**written, **(await place.run(self._steps.look(terms, unchanged)) if unchanged else {})}
        if refused := [number for number, key in enumerate(rows) if key not in found]:
            raise self._conflict(terms, refused)
        return found, written

    async def _write_singly(
        self, place: Executor, terms: UpsertTerms, rows: Mapping[Key, Values]
    ) -> tuple[dict[Key, Key], dict[Key, Key]]:
        writer = self._writer
        found, written = dict[Key, Key](), dict[Key, Key]()
        for number, (key, row) in enumerate(rows.items()):
            target = await place.run(self._steps.lock(terms, key))
            if target is None:
                try:
                    async with place.session.begin_nested():
                        made = await writer.write_in(place, "create", dict(row), None)
                except ConflictError:
                    target = await place.run(self._steps.lock(terms, key))
                    if target is None:
                        raise  # it is not about this key
                else:
                    found[key] = written[key] = writer.identity(made, None)
                    continue
            found[key] = await self._change(place, terms, row, target, number)
            if terms.updates(row):
                written[key] = found[key]
        return found, written

    async def _change(self, place: Executor, terms: UpsertTerms, row: Values, target: Target, number: int) -> Key:
        writer = self._writer
        try:
            there = await place.run(writer.steps.look(target))
        except NotFoundError:
            raise self._conflict(terms, [number]) from None
        values = {name: value for name, value in row.items() if name in terms.updated}
        if not values:
            return writer.identity(there, None)
        changed = await writer.write_in(place, "update", writer.stamped("update", values), target)
        return writer.identity(changed, None)

    def _conflict(self, terms: UpsertTerms, items: list[int]) -> ConflictError:
        """What is told of rows that are there, but out of scope or out of use: what a create would be told."""
        fields = named_fields((column.name for column in terms.columns), self._writer.resource)
        problem = conflict(Violation("unique"), fields)
        problem.extensions["items"] = items
        return problem
