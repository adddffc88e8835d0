"""SQL for a resource: built from its description alone, without a connection. Pure.

Each statement is made once, with bind parameters for all values, and kept: SQLAlchemy then finds its compiled form by a
key that it computes once, too. A list has one statement for each shape (filters in use and order); as clients choose
the shape, only the most recent are kept.
"""

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import sqlalchemy as sa

from fastapi_kit.crud._parameters import Shape
from fastapi_kit.crud._query import COUNT_CAP, Filter, ListGrammar, Order
from fastapi_kit.crud._resource import Resource
from fastapi_kit.crud._sql import ESCAPE, RAW, Contains, StartsWith
from fastapi_kit.pagination import SortKey, ordering

_SHAPES_KEPT = 256

KEY = "key__"
"""Bind parameter of the key; no column is called so, as none has `__` in its name."""


class Statements:
    """The statements of one resource.

    Attributes:
        get: One row by `KEY`.
        insert: Make a row and return it; parameters are values by attribute name.
        update: Change the row of `KEY` and return it. Parameters decide which columns are written.
        update_only: The same for databases whose UPDATE returns nothing.
        delete: Delete the row of `KEY`.
        list: The page of a `Shape`; parameters are those of its filters, `limit` and `offset`.
        count_exact: How many rows match the filters of a `Shape`.
        count_capped: The same, but no more than one above the cap.
    """

    def __init__(self, resource: Resource, grammar: ListGrammar) -> None:
        self._filters = grammar.filters
        self._columns = resource.output.columns
        self._table = resource.table
        is_row = resource.key.column == sa.bindparam(KEY, type_=resource.key.column.type)
        self.get = sa.select(*self._columns).where(is_row)
        self.insert = sa.insert(self._table).returning(*self._columns)
        self.update_only = sa.update(self._table).where(is_row)
        self.update = self.update_only.returning(*self._columns)
        self.delete = sa.delete(self._table).where(is_row)
        self.list: Callable[[Shape], sa.Select[Any]] = lru_cache(_SHAPES_KEPT)(self._list)
        self.count_exact: Callable[[Shape], sa.Select[Any]] = lru_cache(_SHAPES_KEPT)(self._count_exact)
        self.count_capped: Callable[[Shape], sa.Select[Any]] = lru_cache(_SHAPES_KEPT)(self._count_capped)

    def _list(self, shape: Shape) -> sa.Select[Any]:
        return (
            sa.select(*self._columns)
            .where(*self._conditions(shape))
            .order_by(*ordering([_sort_key(term) for term in shape.order]))
            .limit(sa.bindparam("limit", type_=sa.Integer()))
            .offset(sa.bindparam("offset", type_=sa.Integer()))
        )

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

    def _conditions(self, shape: Shape) -> list[sa.ColumnElement[bool]]:
        made: list[sa.ColumnElement[bool]] = []
        for entry in shape.filters:
            parameter, _, value = entry.partition("=")
            found = self._filters[parameter]
            column = found.attribute.column
            if found.operator == "isnull":
                made.append(column.is_(None) if value == "True" else column.is_not(None))
            else:
                made.append(_CONDITIONS[found.operator](column, found))
        return made


def _sort_key(term: Order) -> SortKey:
    column = term.attribute.column
    return SortKey(column, descending=term.descending, nullable=bool(column.nullable))


_Condition = Callable[[sa.Column[Any], Filter], sa.ColumnElement[bool]]


def _bind(found: Filter) -> sa.BindParameter[Any]:
    return sa.bindparam(found.parameter, type_=found.attribute.column.type, expanding=found.many)


def _text(found: Filter, suffix: str = "") -> sa.BindParameter[Any]:
    return sa.bindparam(found.parameter + suffix, type_=sa.String())


def _different(column: sa.Column[Any], found: Filter) -> sa.ColumnElement[bool]:
    """Every row that `eq` leaves out, those with null too."""
    bound = _bind(found)
    return sa.or_(column != bound, column.is_(None)) if column.nullable else column != bound


def _not_in(column: sa.Column[Any], found: Filter) -> sa.ColumnElement[bool]:
    condition = column.not_in(_bind(found))
    return sa.or_(condition, column.is_(None)) if column.nullable else condition


_CONDITIONS: dict[str, _Condition] = {
    "eq": lambda column, found: column == _bind(found),
    "ne": _different,
    "in": lambda column, found: column.in_(_bind(found)),
    "not_in": _not_in,
    "lt": lambda column, found: column < _bind(found),
    "lte": lambda column, found: column <= _bind(found),
    "gt": lambda column, found: column > _bind(found),
    "gte": lambda column, found: column >= _bind(found),
    "contains": lambda column, found: Contains(column, _text(found), _text(found, RAW)),
    "startswith": lambda column, found: StartsWith(column, _text(found), _text(found, RAW)),
    "icontains": lambda column, found: column.ilike(_text(found), escape=ESCAPE),
}
