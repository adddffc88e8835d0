"""Which rows of a batch are written together, and in which order."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ExcludeConstraint

from fastapi_kit.crud._batches import Grouping, OnConflict


def table(*more: Any, key: sa.types.TypeEngine[Any] | None = None) -> sa.Table:
    """A table with a key and two columns."""
    columns = (sa.Column("a", sa.Integer), sa.Column("b", sa.Integer))
    return sa.Table("t", sa.MetaData(), sa.Column("id", key or sa.Integer(), primary_key=True), *columns, *more)


def order(
    described: sa.Table, on_conflict: OnConflict, *rows: Mapping[str, Any], dialect: str = "postgresql"
) -> list[list[int]]:
    """The places of the rows in the batch, as they are grouped."""
    names = {column: column.name for column in described.columns}
    groups = Grouping(described, names, on_conflict, ["id"], dialect).of(rows)
    assert all(row.keys() == attributes for attributes, group in groups for row in group)
    return [[next(place for place, it in enumerate(rows) if it is row) for row in group] for _, group in groups]


APART = [{"id": 1, "a": 1}, {"id": 2, "b": 1}, {"a": 2, "id": 3}]
TOGETHER = [[0, 2], [1]]
IN_ORDER = [[0], [1], [2]]

DIFFERENT: dict[str, tuple[sa.types.TypeEngine[Any], tuple[Any, Any, Any]]] = {
    "numbers": (sa.BigInteger(), (1, 2, 3)),
    "texts": (sa.String(9), ("a", "b", "c")),
    "uuids": (sa.Uuid(), (UUID(int=1), UUID(int=2), UUID(int=3))),
}

MAYBE_EQUAL: dict[str, tuple[sa.types.TypeEngine[Any], tuple[Any, Any, Any]]] = {
    "equal": (sa.Integer(), (1, 2, 1)),
    "text-for-number": (sa.Integer(), ("1", "2", "01")),
    "collation": (sa.String(9, collation="nocase"), ("a", "b", "A")),
    "other-type": (sa.Numeric(), (1, 2, 3)),
    "missing": (sa.Integer(), (1, None, None)),
}


def keyed(keys: tuple[Any, Any, Any]) -> list[dict[str, Any]]:
    """Rows that stand apart, with these keys."""
    return [{"id": key} | {name: 1} for key, name in zip(keys, "aba", strict=True)]


@pytest.mark.parametrize("on_conflict", ["error", "skip", "update"])
@pytest.mark.parametrize("keys", DIFFERENT)
def test_rows_of_different_keys_are_brought_together(keys: str, on_conflict: OnConflict) -> None:
    """By the set of their attributes, whatever the order of these."""
    kind, values = DIFFERENT[keys]
    assert order(table(key=kind), on_conflict, *keyed(values)) == TOGETHER
    assert order(table(), on_conflict, *APART) == TOGETHER


@pytest.mark.parametrize("on_conflict", ["skip", "update"])
@pytest.mark.parametrize("keys", MAYBE_EQUAL)
def test_rows_that_may_meet_keep_their_order(keys: str, on_conflict: OnConflict) -> None:
    """Keys that are equal, or that the database may take for equal."""
    kind, values = MAYBE_EQUAL[keys]
    assert order(table(key=kind), on_conflict, *keyed(values)) == IN_ORDER
    assert order(table(key=kind), "error", *keyed(values)) == TOGETHER


def test_mariadb_may_take_texts_for_equal() -> None:
    """Its collations ignore case unless said otherwise; numbers are numbers there, too."""
    texts = keyed(("a", "b", "c"))
    assert order(table(key=sa.String(9)), "update", *texts, dialect="mariadb") == IN_ORDER
    assert order(table(), "update", *APART, dialect="mariadb") == TOGETHER


@pytest.mark.parametrize("on_conflict", ["error", "skip", "update"])
def test_rows_that_may_refer_to_each_other_keep_their_order(on_conflict: OnConflict) -> None:
    """A parent is written before its children."""
    assert order(table(sa.ForeignKeyConstraint(["a"], ["t.id"])), on_conflict, *APART) == IN_ORDER


def test_a_second_key_counts_where_it_is_given() -> None:
    """Rows may meet by it, and an update may free what a later row takes."""
    described = table(sa.UniqueConstraint("a"), sa.Index("i", "b", unique=True))
    full = [{"id": 1, "a": 1, "b": 1}, {"id": 2, "b": 2, "a": 2}]
    assert order(described, "update", *full) == [[0, 1]]
    assert order(described, "update", *APART) == IN_ORDER
    assert order(described, "skip", *APART) == IN_ORDER
    only_a = table(sa.UniqueConstraint("a"))
    differ = [{"id": 1, "a": 1}, {"id": 2, "a": 2, "b": 1}, {"id": 3, "a": 3}]
    assert order(only_a, "skip", *differ) == TOGETHER
    assert order(only_a, "update", *differ) == IN_ORDER
    assert order(only_a, "skip", *differ[:2], {"id": 3, "a": 2}) == IN_ORDER


@pytest.mark.parametrize("on_conflict", ["skip", "update"])
@pytest.mark.parametrize(
    "more",
    [
        pytest.param(lambda: ExcludeConstraint(("a", "&&")), id="exclusion"),
        pytest.param(lambda: sa.Index("i", sa.text("abs(a)"), unique=True), id="text"),
        pytest.param(lambda: sa.Index("i", sa.func.abs(sa.column("a")), unique=True), id="expression"),
    ],
)
def test_what_cannot_be_looked_into_keeps_the_order(more: Any, on_conflict: OnConflict) -> None:
    """Rows may meet by an index over an expression, or by a range."""
    assert order(table(more()), on_conflict, *APART) == IN_ORDER
