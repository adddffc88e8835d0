"""Rows that stand in a statement themselves: `WITH given AS (VALUES …)`. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy.types import TypeEngine

T = TypeVar("T")

_MOST_PARAMETERS = 32_000
"""Of one statement: SQLite takes 32,766, PostgreSQL 32,767, MariaDB 65,535; a scope has some besides."""


def given_rows(types: Mapping[str, TypeEngine[Any]], rows: Sequence[Mapping[str, Any]]) -> sa.CTE:
    """A table of `rows`, each of which has the columns of `types`.

    It is a CTE, as SQLite has no names for the columns of a VALUES elsewhere.
    """
    columns = (sa.column(name, type_) for name, type_ in types.items())
    # Nulls have their types, too: PostgreSQL takes a column of bare ones for text.
    data = [tuple(sa.bindparam(None, row[name], type_, unique=True) for name, type_ in types.items()) for row in rows]
    return sa.values(*columns).data(data).cte("given")


def chunks(rows: Sequence[T], width: int) -> Iterator[Sequence[T]]:
    """As many rows at a time as the parameters of a statement allow, of which each row takes `width`."""
    size = max(_MOST_PARAMETERS // width, 1)
    return (rows[start : start + size] for start in range(0, len(rows), size))
