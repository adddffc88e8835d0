"""References that a write makes to rows which have a scope of their own: as out of scope is as good as absent.

The database itself sees that a referred row exists; whether the principal may know of it, only the scope says. Such a
reference is refused just as one that leads nowhere.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from fastapi_kit.crud._access import Access
from fastapi_kit.crud._resource import Resource
from fastapi_kit.crud._scope import Model
from fastapi_kit.crud._steps import Target
from fastapi_kit.crud._violations import named_fields
from fastapi_kit.db import Violation, conflict


@dataclass(frozen=True)
class Reference:
    """A foreign key to a model that has a scope."""

    model: Model
    pairs: tuple[tuple[sa.Column[Any], sa.Column[Any]], ...]
    """The table's own columns, with those that they refer to."""

    @property
    def columns(self) -> frozenset[str]:
        """The keys of the table's own columns."""
        return frozenset(own.key for own, _ in self.pairs)


def references_of(table: sa.Table, models: frozenset[Model]) -> tuple[Reference, ...]:
    """The foreign keys of `table` that lead to one of `models`."""
    by_table = {model.__table__: model for model in models}
    return tuple(
        Reference(by_table[key.referred_table], tuple((element.parent, element.column) for element in key.elements))
        for key in sorted(table.foreign_key_constraints, key=lambda key: tuple(key.column_keys))
        if key.referred_table in by_table
    )


def check_references(
    resource: Resource,
    references: tuple[Reference, ...],
    access: Access,
    written: Mapping[str, Any],
    target: Target | None,
) -> Callable[[sa.Connection], None]:
    """Work that sees whether the references among `written`, by column, are in scope; of a new row or of `target`.

    Raises:
        ConflictError: From the work: one is not.
    """

    def work(connection: sa.Connection) -> None:
        for reference in references:
            if reference.columns.isdisjoint(written):
                continue
            whole = {**_unwritten(connection, access, reference, written, target), **written}
            values = [(there, whole.get(own.key)) for own, there in reference.pairs]
            if all(value is not None for _, value in values):
                found = _find(access, reference.model, values)
                if connection.execute(found, dict(access.values)).first() is None:
                    fields = named_fields((own.name for own, _ in reference.pairs), resource)
                    raise conflict(Violation("foreign_key"), fields)

    return work


def _unwritten(
    connection: sa.Connection, access: Access, reference: Reference, written: Mapping[str, Any], target: Target | None
) -> Mapping[str, Any]:
    """The values of a reference's other columns, which are not written: those stored, or the defaults of a new row."""
    others = [own for own, _ in reference.pairs if own.key not in written]
    if not others:
        return {}
    if target is None:
        defaults = ((it.key, it.default) for it in others)
        return {key: it.arg for key, it in defaults if isinstance(it, sa.ColumnDefault) and it.is_scalar}
    stored = sa.select(*others).where(*access.statements.is_row)
    found = connection.execute(stored, {**target.parameters, **access.values}).first()
    return {} if found is None else {it.key: value for it, value in zip(others, found, strict=True)}


def _find(access: Access, model: Model, values: list[tuple[sa.Column[Any], Any]]) -> sa.Select[Any]:
    conditions = access.statements.conditions.of(model)
    equal = (column == value for column, value in values)
    return sa.select(sa.literal_column("1", sa.Integer())).select_from(model).where(*equal, *conditions).limit(1)
