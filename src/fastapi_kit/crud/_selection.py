"""What a statement selects for a view of a row, and where it stands in the result. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import aliased

from fastapi_kit.crud._answers import Layout, Nested
from fastapi_kit.crud._attributes import Attribute
from fastapi_kit.crud._includes import Many, Related, included_key
from fastapi_kit.crud._order import Order
from fastapi_kit.crud._resource import Resource
from fastapi_kit.crud._scope import Conditions
from fastapi_kit.pagination import SortKey, ordering

KEYS = "parents"
"""Bind parameter of the keys of the rows whose related rows are read."""
_RANK = "rank__"


@dataclass(frozen=True)
class Selection:
    """The columns of a statement, the joins that bring them, and where they stand."""

    columns: tuple[sa.ColumnElement[Any], ...]
    joins: tuple[Any, ...]
    layout: Layout


def select_row(
    resource: Resource,
    fields: Sequence[str],
    related: Sequence[Related],
    extras: Sequence[Attribute],
    conditions: Conditions,
) -> Selection:
    """The columns of a row: the fields that are shown, then what the server needs, then related rows.

    Args:
        resource: Whose rows.
        fields: Some fields alone; empty for all.
        related: Related rows to have; those of which there is one are joined.
        extras: What else is needed, such as the sort keys; keys and version always are.
        conditions: The scopes of related rows.
    """
    reading = resource.output.reading
    some = bool(fields) and reading.finish is None
    shown = [it for it in reading.attributes if not some or it.name in fields]
    needed = [*resource.keys, *([resource.version] if resource.version else []), *extras]
    attributes = [*shown, *dict.fromkeys(it for it in needed if it not in shown)]
    columns: list[sa.ColumnElement[Any]] = [_selected(it) for it in attributes]
    joins: list[Any] = []
    nested: list[Nested] = []
    for include in (it for it in related if not it.many):
        alias, names = _rows_of(include, conditions), include.reading.names
        fetched = list(dict.fromkeys((*names, included_key(include).name)))
        start = len(columns)
        key = start + fetched.index(included_key(include).name)
        columns += [getattr(alias, name) for name in fetched]
        nested.append(Nested(include.name, include.reading, start, start + len(names), key))
        joins.append(_way_to(alias, include))
    places = {it.name: place for place, it in enumerate(attributes)}
    layout = Layout(
        names=tuple(it.name for it in shown),
        places=places,
        keys=tuple(places[key.name] for key in resource.keys),
        nested=tuple(nested),
        included=frozenset(it.name for it in related),
        shown=frozenset((*fields, *(it.name for it in related))) if fields and not some else None,
    )
    return Selection(tuple(columns), tuple(joins), layout)


def _selected(attribute: Attribute) -> sa.ColumnElement[Any]:
    column = attribute.column
    return column if attribute.stored_column is not None else column.label(attribute.name)


def _way_to(alias: Any, related: Related) -> Any:
    way: Any = related.relationship.class_attribute
    return way.of_type(alias)


def _rows_of(related: Related, conditions: Conditions) -> Any:
    """The related rows that there are, by a name of their own.

    Conditions stand in a query of their own, where columns and subqueries mean what they say. In the ON of a join they
    would be rewritten for the alias, which SQLAlchemy does for the columns of the ORM alone: those of a table would
    mean, where a model is related to itself, the row that the others belong to.
    """
    model, shown = related.mapped.model, conditions.shown(related.mapped.model)
    name = f"{related.name}__"
    return (
        aliased(model, sa.select(related.mapped.table).where(*shown).subquery(name))
        if shown
        else aliased(model, name=name)
    )


def select_children(resource: Resource, related: Related, conditions: Conditions) -> sa.Select[Any]:
    """The related rows of the rows whose keys are bound to `KEYS`; each begins with the key that it belongs to."""
    declared = related.declared
    assert isinstance(declared, Many)  # noqa: S101 - One is joined
    alias = _rows_of(related, conditions)
    keys = [key.column for key in resource.keys]
    order = ordering([_sort_key(term, getattr(alias, term.attribute.name)) for term in related.order])
    ranked = (
        sa.select(
            *(key.label(f"parent__{place}") for place, key in enumerate(keys)),
            *(getattr(alias, name).label(name) for name in related.reading.names),
            sa.func.row_number().over(partition_by=keys, order_by=order).label(_RANK),
        )
        .select_from(resource.mapped.model)
        .join(_way_to(alias, related))
        .where(_among(keys))
        .subquery("ranked__")
    )
    last = sa.literal_column(str(declared.limit), sa.Integer())
    return sa.select(*list(ranked.c)[:-1]).where(ranked.c[_RANK] <= last).order_by(ranked.c[_RANK])


def _among(keys: Sequence[sa.ColumnElement[Any]]) -> sa.ColumnElement[bool]:
    if len(keys) == 1:
        return keys[0].in_(sa.bindparam(KEYS, expanding=True, type_=keys[0].type))
    return sa.tuple_(*keys).in_(sa.bindparam(KEYS, expanding=True))


def key_values(keys: Sequence[tuple[Any, ...]]) -> list[Any]:
    """The value of `KEYS` for these primary keys."""
    return [key[0] if len(key) == 1 else key for key in keys]


def sort_keys(order: Sequence[Order]) -> list[SortKey]:
    """The terms of an order, as pagination knows them."""
    return [_sort_key(term, term.attribute.column) for term in order]


def _sort_key(term: Order, column: sa.ColumnElement[Any]) -> SortKey:
    return SortKey(column, term.descending, term.attribute.nullable)
