"""Pages by key are ranges of an index, and need no sort, so a deep page costs what the first costs."""

import re
from collections.abc import AsyncGenerator, Sequence
from dataclasses import replace
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from fastapi_kit.db import Database
from fastapi_kit.pagination import SortKey, beyond, ordering, ranges

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

ROWS = 20_000
TABLE = sa.Table(
    "planned",
    sa.MetaData(),
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("a", sa.Integer, nullable=False),
    sa.Column("b", sa.Integer, nullable=False),
    sa.Column("n", sa.Integer),
    sa.Column("filler", sa.String(100), nullable=False),
)
for _indexed in ("a id", "-a id", "a b id", "n id", "-n id"):
    _terms = (TABLE.c[term.strip("-")].desc() if term[0] == "-" else TABLE.c[term] for term in _indexed.split())
    sa.Index(f"ix_{_indexed}".replace("-", "down ").replace(" ", "_"), *_terms)
POSITION = {"a": 1_500, "b": 5, "n": 1_500, "id": 15_000}


@pytest.fixture
async def connection(database: Database) -> AsyncGenerator[AsyncConnection]:
    """A connection to a table of many rows, with indexes, that the planner knows."""
    async with database.engine.begin() as connection:
        await connection.run_sync(TABLE.metadata.create_all)
        numbers = range(ROWS)
        rows = [
            {
                "id": number,
                "a": number * 7_919 % 3_000,
                "b": number * 31 % 10,
                "n": None if number % 5 == 0 else number * 7_919 % 3_000,
                "filler": "x" * 80,
            }
            for number in numbers
        ]
        await connection.execute(sa.insert(TABLE), rows)
        await connection.exec_driver_sql("ANALYZE planned")
        yield connection


def keys(order: str) -> list[SortKey]:
    """An order of the table."""
    columns = [TABLE.c[term.strip("-")] for term in order.split()]
    return [
        SortKey(column, descending=term.startswith("-"), nullable=bool(column.nullable))
        for term, column in zip(order.split(), columns, strict=True)
    ]


def page(order: Sequence[SortKey], condition: sa.ColumnElement[bool], *, backward: bool) -> sa.Select[Any]:
    """The rows of a page."""
    select = sa.select(TABLE).where(condition)
    return select.order_by(*ordering(order, backward)).limit(sa.literal_column("20", sa.Integer))


async def plan_of(connection: AsyncConnection, select: sa.Select[Any] | sa.CompoundSelect[Any], order: str) -> str:
    """What the database says that it will do for a position in the middle."""
    values = {f"cursor__{index}": POSITION[term.strip("-")] for index, term in enumerate(order.split())}
    # With the values in its text, as EXPLAIN takes no parameters of a type that it would have to guess.
    compiled = select.params(values).compile(dialect=connection.dialect, compile_kwargs={"literal_binds": True})
    explain = "EXPLAIN QUERY PLAN" if connection.dialect.name == "sqlite" else "EXPLAIN"
    answer = await connection.exec_driver_sql(f"{explain} {compiled}")
    return "\n".join(str(row[-1]) for row in answer)


def is_range(plan: str, column: str, dialect: str) -> bool:
    """Whether the plan starts at the position, in an index that has the rows in order."""
    if dialect == "sqlite":
        return bool(re.search(rf"SEARCH planned USING INDEX ix_\w+ \(\(?{column}\b", plan)) and "TEMP" not in plan
    return bool(re.search(rf"Index Cond: .*\b{column}\b", plan)) and "Sort" not in plan


def is_in_order(plan: str, dialect: str) -> bool:
    """Whether the plan reads an index that has the rows in order, though from its start."""
    if dialect == "sqlite":
        return plan.startswith("SCAN planned USING INDEX ix_") and "TEMP" not in plan
    return "Index Scan" in plan and "Index Cond" not in plan and "Sort" not in plan


@pytest.mark.parametrize(
    ("order", "nulls"),
    [
        ("a id", ""),
        ("-a -id", ""),
        ("-a id", ""),
        ("a -id", ""),
        ("a b id", ""),
        ("n id", "n"),
        ("-n -id", ""),
        ("-n id", ""),
    ],
)
async def test_ranges(connection: AsyncConnection, order: str, nulls: str) -> None:
    """Each of these orders is a range of an index, on both databases, and so is its reverse, walked backward."""
    terms = keys(order)
    null = [term.strip("-") in nulls.split() for term in order.split()]
    opposite = [replace(key, descending=not key.descending) for key in terms]
    for listed, backward in ((terms, False), (opposite, True)):
        plan = await plan_of(connection, page(listed, beyond(listed, null, backward), backward=backward), order)
        assert is_range(plan, order.split(maxsplit=1)[0].strip("-"), connection.dialect.name), plan


@pytest.mark.parametrize(("order", "nulls"), [("n id", ""), ("-n -id", "n"), ("-n id", "n")])
async def test_what_is_no_range(connection: AsyncConnection, order: str, nulls: str) -> None:
    """From a value up to the nulls, or from the nulls down, the rows before are read; two parts leave them out."""
    dialect = connection.dialect.name
    terms = keys(order)
    null = [term.strip("-") in nulls.split() for term in order.split()]
    plan = await plan_of(connection, page(terms, beyond(terms, null), backward=False), order)
    assert is_in_order(plan, dialect), plan
    first, second = (page(terms, part, backward=False) for part in ranges(terms, null))
    plan = await plan_of(connection, first, order)
    assert is_range(plan, "n", dialect), plan
    plan = await plan_of(connection, second, order)
    assert is_range(plan, "n", dialect) or is_in_order(plan, dialect), plan


@pytest.mark.parametrize(("order", "nulls"), [("n id", ""), ("-n -id", "n")])
async def test_two_parts_in_one_statement(connection: AsyncConnection, order: str, nulls: str) -> None:
    """Parts that are joined under the same order and limit give the same page, and none of the rows before is read."""
    terms = keys(order)
    null = [term.strip("-") in nulls.split() for term in order.split()]
    limited = (page(terms, part, backward=False).subquery() for part in ranges(terms, null))
    joined = sa.union_all(*(sa.select(part) for part in limited)).subquery("joined")
    outer = [replace(key, column=joined.c[str(key.column.key)]) for key in terms]
    both = sa.select(joined).order_by(*ordering(outer)).limit(20)
    values = {f"cursor__{index}": POSITION[term.strip("-")] for index, term in enumerate(order.split())}
    whole = page(terms, beyond(terms, null), backward=False)
    assert (await connection.execute(both, values)).all() == (await connection.execute(whole, values)).all()
    plan = await plan_of(connection, both, order)
    if connection.dialect.name == "sqlite":
        assert plan.count("SEARCH planned USING INDEX ix_") == 2, plan
    else:
        assert "Merge Append" in plan, plan
        assert "Seq Scan" not in plan, plan
