"""Reads: a page of rows, with what belongs to it, as work on one connection."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from fastapi_kit.crud._answers import NOTHING, Children, Layout
from fastapi_kit.crud._cursors import Cursors
from fastapi_kit.crud._executor import Work
from fastapi_kit.crud._includes import Related
from fastapi_kit.crud._query import COUNT_CAP
from fastapi_kit.crud._requests import ListRequest
from fastapi_kit.crud._selection import KEYS, key_values
from fastapi_kit.crud._statements import Prepared, Statements
from fastapi_kit.pagination import NoCursorError, TotalRelation

Rows = Sequence[sa.Row[Any]]


@dataclass(frozen=True)
class Found:
    """A page of rows."""

    rows: Rows
    layout: Layout
    children: Mapping[str, Children]
    total: int | None
    relation: TotalRelation
    has_next: bool
    has_previous: bool


@dataclass(frozen=True)
class FoundRow:
    """One row, or none."""

    row: sa.Row[Any] | None
    layout: Layout
    children: Mapping[str, Children]


def read_page(statements: Statements, asked: ListRequest, values: Mapping[str, Any]) -> Work[Found]:
    """Read a page; one row more than its length tells whether there is another page.

    Args:
        statements: What to read by.
        asked: What to read.
        values: Parameters of the conditions.
    """
    prepared = statements.page(asked.shape)
    parameters = {**asked.values, **values, "limit": asked.limit + 1, "offset": asked.offset}
    edge = asked.shape.edge
    backward = edge is not None and edge.backward

    def work(connection: sa.Connection) -> Found:
        rows = connection.execute(prepared.select, parameters).all()
        more = len(rows) > asked.limit
        if more:
            rows = rows[: asked.limit]
        if backward:
            rows = rows[::-1]
        children = read_children(connection, prepared, rows, values)
        total: tuple[int | None, TotalRelation] = (None, "eq")
        if asked.count != "none" and edge is None and not more and (rows or not asked.offset):
            total = asked.offset + len(rows), "eq"  # the last page tells it by itself
        elif asked.count != "none":
            total = _total(connection, statements, asked, parameters)
        return Found(
            rows,
            prepared.layout,
            children,
            *total,
            has_next=backward or more,
            has_previous=more if backward else edge is not None or asked.offset > 0,
        )

    return work


def read_row(prepared: Prepared, parameters: Mapping[str, Any], values: Mapping[str, Any]) -> Work[FoundRow]:
    """Read one row, with what was asked for with it."""

    def work(connection: sa.Connection) -> FoundRow:
        row = connection.execute(prepared.select, {**parameters, **values}).first()
        children = NOTHING if row is None else read_children(connection, prepared, [row], values)
        return FoundRow(row, prepared.layout, children)

    return work


def read_children(
    connection: sa.Connection, prepared: Prepared, rows: Rows, values: Mapping[str, Any]
) -> Mapping[str, Children]:
    """The related rows of all `rows`: one statement for each include."""
    if not prepared.children:
        return NOTHING
    keys = key_values([prepared.layout.key(row) for row in rows])
    found: dict[str, Children] = {}
    for related, select in prepared.children:
        result = connection.execute(select, {**values, KEYS: keys}).all() if keys else ()
        found[related.name] = _by_parent(related, result, len(prepared.layout.keys))
    return found


def _by_parent(related: Related, rows: Rows, key_length: int) -> Children:
    grouped: dict[tuple[Any, ...], list[Any]] = {}
    reading = related.reading
    for row in rows:
        grouped.setdefault(tuple(row[:key_length]), []).append(reading.value(row[key_length:]))
    return grouped


def _total(
    connection: sa.Connection, statements: Statements, asked: ListRequest, parameters: Mapping[str, Any]
) -> tuple[int | None, TotalRelation]:
    if asked.count == "exact":
        return connection.execute(statements.count_exact(asked.shape), parameters).scalar_one(), "eq"
    counted: int = connection.execute(statements.count_capped(asked.shape), parameters).scalar_one()
    return min(counted, COUNT_CAP), "gte" if counted > COUNT_CAP else "eq"


def count_matches(statements: Statements, asked: ListRequest, values: Mapping[str, Any]) -> Work[int]:
    """Count all rows that match."""

    def work(connection: sa.Connection) -> int:
        parameters = {**asked.values, **values}
        return int(connection.execute(statements.count_exact(asked.shape), parameters).scalar_one())

    return work


def cursors_of(found: Found, asked: ListRequest, cursors: Cursors) -> tuple[str | None, str | None]:
    """The cursors of the pages after and before this one."""
    if not found.rows:
        return None, None
    following = _cursor(found, found.rows[-1], asked, cursors, backward=False) if found.has_next else None
    preceding = _cursor(found, found.rows[0], asked, cursors, backward=True) if found.has_previous else None
    return following, preceding


def _cursor(found: Found, row: sa.Row[Any], asked: ListRequest, cursors: Cursors, *, backward: bool) -> str | None:
    """The cursor of a row; none if its sort keys do not fit into one: pages by number go on from there."""
    places, order = found.layout.places, asked.shape.order
    values = [row[places[term.attribute.name]] for term in order]
    try:
        return cursors.encode(values, order, asked.binding, backward=backward)
    except NoCursorError:
        return None
