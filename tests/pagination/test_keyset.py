"""The order of a list, and the condition "beyond this row", rendered for each database."""

import re
from collections.abc import Sequence
from itertools import product
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import make_url

from fastapi_kit.db import Database
from fastapi_kit.pagination import Position, SortKey, beyond, ordering, ranges

DIALECTS: dict[str, sa.Dialect] = {
    name: make_url(f"{name}://").get_dialect()() for name in ("sqlite+aiosqlite", "postgresql+asyncpg", "mysql+asyncmy")
}
TABLE = sa.Table(
    "item",
    sa.MetaData(),
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("a", sa.Integer, nullable=False),
    sa.Column("b", sa.Integer, nullable=False),
    sa.Column("m", sa.Integer),
    sa.Column("n", sa.Integer),
    sa.Column("level", sa.Enum("low", "high", name="item_level")),
)


def keys(*terms: str) -> list[SortKey]:
    """An order of the table, in the words of a `sort` parameter."""
    columns = [TABLE.c[term.removeprefix("-")] for term in terms]
    return [
        SortKey(column, descending=term.startswith("-"), nullable=bool(column.nullable))
        for term, column in zip(terms, columns, strict=True)
    ]


def rendered(element: sa.ClauseElement, dialect: str = "postgresql+asyncpg") -> str:
    """The SQL of an element, without the name of the table."""
    return re.sub(r"::\w+", "", str(element.compile(dialect=DIALECTS[dialect]))).replace("item.", "")


@pytest.mark.parametrize(
    ("dialect", "term", "expected"),
    [
        ("sqlite+aiosqlite", "n", "n ASC NULLS LAST"),
        ("sqlite+aiosqlite", "-n", "n DESC NULLS FIRST"),
        ("postgresql+asyncpg", "n", "n ASC NULLS LAST"),
        ("postgresql+asyncpg", "-n", "n DESC NULLS FIRST"),
        ("mysql+asyncmy", "n", "n IS NULL ASC, n ASC"),
        ("mysql+asyncmy", "-n", "n IS NULL DESC, n DESC"),
        ("mysql+asyncmy", "a", "a ASC"),
        ("mysql+asyncmy", "-a", "a DESC"),
    ],
)
def test_null_is_larger_than_any_value(dialect: str, term: str, expected: str) -> None:
    """Each database is told in its own words; a column that is never null needs none; backward is the reverse."""
    (forward,) = ordering(keys(term))
    assert rendered(forward, dialect) == expected
    opposite = term.removeprefix("-") if term.startswith("-") else f"-{term}"
    (backward,) = ordering(keys(opposite), backward=True)
    assert rendered(backward, dialect) == expected


@pytest.mark.parametrize(
    ("terms", "nulls", "expected"),
    [
        ("a id", "", "(a, id) > ($1, $2)"),
        ("-a -id", "", "(a, id) < ($1, $2)"),
        ("-a id", "", "a <= $1 AND (a < $1 OR a = $1 AND id > $2)"),
        ("a b -id", "", "(a, b) >= ($1, $2) AND ((a, b) > ($1, $2) OR a = $1 AND b = $2 AND id < $3)"),
        ("-n -id", "", "(n, id) < ($1, $2)"),
        ("-n id", "", "n <= $1 AND (n < $1 OR n = $1 AND id > $2)"),
        ("n id", "", "(n, id) > ($1, $2) OR n IS NULL"),
        ("n id", "n", "n IS NULL AND id > $1"),
        ("-n id", "n", "n IS NULL AND id > $1 OR n IS NOT NULL"),
        ("m n id", "m", "m IS NULL AND ((n, id) > ($1, $2) OR n IS NULL)"),
        ("n", "n", "n IS NULL AND false"),
    ],
)
def test_conditions_are_ranges_where_they_can_be(terms: str, nulls: str, expected: str) -> None:
    """Keys of one direction are one row, others have a bound before the exact condition; null is tested for."""
    order = keys(*terms.split())
    assert rendered(beyond(order, [key.column.key in nulls.split() for key in order])) == expected


def test_backward_is_the_reverse_order() -> None:
    """What comes before a row is what comes after it when all directions are turned round."""
    nulls = [False, True, False]
    backward, forward = beyond(keys("a", "-n", "id"), nulls, backward=True), beyond(keys("-a", "n", "-id"), nulls)
    assert backward.compare(forward)
    assert rendered(backward) == rendered(forward)


def test_a_null_where_none_can_be() -> None:
    """A position with a null in a column that has none, or of another length than the order, is a mistake."""
    with pytest.raises(ValueError, match=r"item\.a is never null"):
        beyond(keys("a", "id"), [True, False])
    with pytest.raises(ValueError, match="shorter"):
        beyond(keys("a", "id"), [False])


def test_parameters_are_those_of_a_position() -> None:
    """A value that counts as false is a value; only null has no parameter."""
    position = Position((0, None, ""))
    assert position.parameters == {"cursor__0": 0, "cursor__2": ""}
    condition = beyond(keys("a", "n", "id"), position.nulls)
    assert set(condition.compile().params) == set(position.parameters)


def test_cache_keys_tell_statements_apart() -> None:
    """SQLAlchemy keeps the same compiled form for statements of the same SQL, and for no others."""
    orders = ["a id", "-a id", "a -id", "b id", "n id", "-n id", "level id", "a b id", "b a id"]
    forms: set[tuple[str, Any]] = set()
    for order, backward, null, _again in product(orders, (False, True), (False, True), range(2)):
        terms = keys(*order.split())
        condition = beyond(terms, [null and term.nullable for term in terms], backward)
        select = sa.select(TABLE.c.id).where(condition).order_by(*ordering(terms, backward))
        cache_key: Any = select._generate_cache_key()  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]
        forms.add((rendered(select), cache_key.key))
    assert len(forms) == len({sql for sql, _ in forms}) == len({key for _, key in forms}) == 22


@pytest.mark.parametrize(
    ("dialect", "expected"),
    [
        ("sqlite+aiosqlite", "level ASC NULLS LAST"),
        ("postgresql+asyncpg", "level ASC NULLS LAST"),
        (
            "mysql+asyncmy",
            "NULLIF(FIELD(level, 'low', 'high'), 0) IS NULL ASC, NULLIF(FIELD(level, 'low', 'high'), 0) ASC",
        ),
    ],
)
def test_enums(dialect: str, expected: str) -> None:
    """MariaDB, which orders an ENUM by declaration and compares it as text, compares its place."""
    assert rendered(ordering(keys("level"))[0], dialect) == expected


@pytest.mark.anyio
@pytest.mark.parametrize("order", list(product(["m", "-m"], ["n", "-n", "b", "-b"], ["id", "-id"])), ids=" ".join)
async def test_each_position_of_small_tables(database: Database, order: Sequence[str]) -> None:
    """After and before each row, with each mixture of values and nulls, is the rest of the list, in parts or in one."""
    terms = keys(*order)
    columns = [key.column for key in terms]
    values = product([None, 0, 1], [None, 0, 1], [0, 1], range(2))
    rows = [{"a": 0, "m": m, "n": n, "b": b, "level": None} for m, n, b, _ in values]
    async with database.engine.begin() as connection:
        await connection.run_sync(TABLE.metadata.create_all)
        await connection.execute(sa.insert(TABLE), rows)
        unpaged = (await connection.execute(sa.select(*columns).order_by(*ordering(terms)))).all()
        for backward in (False, True):
            listed = unpaged[::-1] if backward else unpaged
            select = sa.select(*columns).order_by(*ordering(terms, backward))
            for index, row in enumerate(listed):
                at = Position(tuple(row))
                condition = beyond(terms, at.nulls, backward)
                assert (await connection.execute(select.where(condition), at.parameters)).all() == listed[index + 1 :]
                parts: list[Any] = []
                for part in ranges(terms, at.nulls, backward):
                    parts += await connection.execute(select.where(part), at.parameters)
                assert parts == listed[index + 1 :]
