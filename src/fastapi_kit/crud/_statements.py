"""SQL for a resource: built from its description alone, without a connection. Pure.

Each statement is made once, with bind parameters for all values, and kept: SQLAlchemy then finds its compiled form by a
key that it computes once, too. A list has one statement for each shape (filters in use, order, view, position); as
clients choose the shape, only the most recent are kept.

All statements of one `Statements` are built from the same `Conditions`, so there is none that reads or writes a row
outside of them.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import sqlalchemy as sa

from fastapi_kit.crud._answers import Layout
from fastapi_kit.crud._conditions import filter_conditions, search_condition
from fastapi_kit.crud._ensured import Ensured, can_be_ensured
from fastapi_kit.crud._includes import Related
from fastapi_kit.crud._query import COUNT_CAP, ListGrammar
from fastapi_kit.crud._requests import WHOLE, Shape, View
from fastapi_kit.crud._resource import Resource
from fastapi_kit.crud._scope import Condition, Conditions
from fastapi_kit.crud._selection import Selection, select_children, select_row, sort_keys
from fastapi_kit.pagination import beyond, ordering

_SHAPES_KEPT = 256

VERSIONS = "version__expected"
"""Bind parameter of the versions that a write may find."""


@dataclass(frozen=True)
class Prepared:
    """A SELECT, where its values stand, and the statements that read what belongs to its rows."""

    select: sa.Select[Any]
    layout: Layout
    children: tuple[tuple[Related, sa.Select[Any]], ...] = ()


class Statements:
    """The statements of one resource, under the same conditions.

    Attributes:
        is_row: What holds for the row that an `Identity` names, if it is in scope.
        row: One row by its identity, in a `View`.
        page: The page of a `Shape`; parameters are those of its filters and position, `limit` and `offset`.
        count_exact: How many rows match the filters of a `Shape`.
        count_capped: The same, but no more than one above the cap.
    """

    def __init__(self, resource: Resource, grammar: ListGrammar, conditions: Conditions) -> None:
        self._resource = resource
        self._grammar = grammar
        self.conditions = conditions
        self._table = resource.table
        self.is_row = (resource.identity.condition, *conditions.own)
        self.row: Callable[[View], Prepared] = lru_cache(_SHAPES_KEPT)(self._row)
        self.page: Callable[[Shape], Prepared] = lru_cache(_SHAPES_KEPT)(self._page)
        self.count_exact: Callable[[Shape], sa.Select[Any]] = lru_cache(_SHAPES_KEPT)(self._count_exact)
        self.count_capped: Callable[[Shape], sa.Select[Any]] = lru_cache(_SHAPES_KEPT)(self._count_capped)

    @cached_property
    def _whole(self) -> Selection:
        return self._select(WHOLE)

    @property
    def returned(self) -> tuple[sa.ColumnElement[Any], ...]:
        """The columns of a written row."""
        return self._whole.columns

    @property
    def layout(self) -> Layout:
        """Where the values of a written row stand."""
        return self._whole.layout

    @cached_property
    def deciding(self) -> frozenset[str] | None:
        """The keys of the table's columns that decide whether a row is in scope; `None` if every row is."""
        return self.conditions.deciding(self._resource.mapped.model)

    @cached_property
    def insert(self) -> Any:
        """Make a row and return it; parameters are values by column."""
        return sa.insert(self._table).returning(*self._whole.columns)

    @cached_property
    def insert_only(self) -> Any:
        """Make a row and return its identity, for what cannot be returned at once."""
        return sa.insert(self._table).returning(*(it.column for it in self._resource.identity.attributes))

    @cached_property
    def insert_many(self) -> Any:
        """Make rows and return them in the order of their parameters, by which their keys are found again."""
        return sa.insert(self._table).returning(*self._whole.columns, sort_by_parameter_order=True)

    @cached_property
    def changing(self) -> sa.Update:
        """Change rows, which is still to say of which; their versions count on."""
        changed = sa.update(self._table)
        version = self._resource.version
        column = None if version is None else version.stored_column
        if column is not None and column.onupdate is None:
            changed = changed.values({column: column + 1})
        return changed

    @cached_property
    def update_only(self) -> Any:
        """Change a row. Parameters decide which columns are written."""
        return self.changing.where(*self.is_row)

    @cached_property
    def update_only_if(self) -> Any:
        """The same, if the row's version is one of `VERSIONS`."""
        return self.update_only.where(self._has_version)

    @cached_property
    def update(self) -> Any:
        """Change a row and return it."""
        return self.update_only.returning(*self._whole.columns)

    @cached_property
    def update_if(self) -> Any:
        """The same, if the row's version is one of `VERSIONS`."""
        return self.update_only_if.returning(*self._whole.columns)

    @cached_property
    def insert_ensured(self) -> Any:
        """Make a row and return it, if it is in scope then; an error that undoes it otherwise."""
        return self.insert.returning(self._ensured)

    @cached_property
    def update_ensured(self) -> Any:
        """Change a row and return it, if it is still in scope then; an error that undoes it otherwise."""
        return self.update.returning(self._ensured)

    @cached_property
    def update_ensured_if(self) -> Any:
        """The same, if the row's version is one of `VERSIONS`."""
        return self.update_if.returning(self._ensured)

    @cached_property
    def can_be_ensured(self) -> bool:
        """Whether there are these three."""
        return can_be_ensured(self.conditions.own, self._table)

    @cached_property
    def delete(self) -> Any:
        """Remove a row."""
        return sa.delete(self._table).where(*self.is_row)

    @cached_property
    def delete_if(self) -> Any:
        """The same, if the row's version is one of `VERSIONS`."""
        return self.delete.where(self._has_version)

    @cached_property
    def exists(self) -> sa.Select[Any]:
        """Whether there is the row."""
        return sa.select(sa.literal_column("1", sa.Integer())).select_from(self._table).where(*self.is_row).limit(1)

    @property
    def _ensured(self) -> Ensured:
        return Ensured(sa.and_(sa.true(), *self.conditions.own))

    @property
    def _has_version(self) -> Condition:
        version = self._resource.version
        assert version is not None  # noqa: S101 - nobody asks for a version that there is not
        # Clients may send larger numbers than the column holds: those are other versions, and no errors.
        return version.column.in_(sa.bindparam(VERSIONS, expanding=True, type_=sa.BigInteger()))

    def _related(self, view: View) -> list[Related]:
        return [self._grammar.includes[name] for name in view.includes]

    def _select(self, view: View, *extras: Any) -> Selection:
        return select_row(self._resource, view.fields, self._related(view), extras, self.conditions)

    def _prepare(self, view: View, selection: Selection, conditions: list[Condition]) -> Prepared:
        select: sa.Select[Any] = sa.select(*selection.columns).where(*conditions)
        if selection.joins:
            select = select.select_from(self._resource.mapped.model)
        for join in selection.joins:
            select = select.outerjoin(join)
        children = tuple(
            (it, select_children(self._resource, it, self.conditions)) for it in self._related(view) if it.many
        )
        return Prepared(select, selection.layout, children)

    def _row(self, view: View) -> Prepared:
        return self._prepare(view, self._whole if view == WHOLE else self._select(view), list(self.is_row))

    def _page(self, shape: Shape) -> Prepared:
        selection = self._select(shape.view, *(term.attribute for term in shape.order))
        keys, conditions = sort_keys(shape.order), self._conditions(shape)
        backward = shape.edge is not None and shape.edge.backward
        if shape.edge is not None:
            conditions.append(beyond(keys, shape.edge.nulls, backward))
        prepared = self._prepare(shape.view, selection, conditions)
        select = (
            prepared.select.order_by(*ordering(keys, backward))
            .limit(sa.bindparam("limit", type_=sa.Integer()))
            .offset(None if shape.edge else sa.bindparam("offset", type_=sa.Integer()))
        )
        return Prepared(select, prepared.layout, prepared.children)

    def _count_exact(self, shape: Shape) -> sa.Select[Any]:
        return sa.select(sa.func.count()).select_from(self._table).where(*self._conditions(shape))

    def _count_capped(self, shape: Shape) -> sa.Select[Any]:
        matches: sa.Select[Any] = (
            sa.select(sa.literal_column("1", sa.Integer()))
            .select_from(self._table)
            .where(*self._conditions(shape))
            .limit(sa.literal_column(str(COUNT_CAP + 1), sa.Integer()))
        )
        return sa.select(sa.func.count()).select_from(matches.subquery())

    def _conditions(self, shape: Shape) -> list[Condition]:
        return [
            *self.conditions.own,
            *filter_conditions(shape.filters, self._grammar.filters, self.conditions),
            *(search_condition(self._grammar.search, word, self.conditions) for word in range(shape.words)),
        ]
