"""The law of pages by cursor: whatever the order and the size, they are the unpaged list, and nothing but it."""

from collections.abc import AsyncGenerator, Sequence
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy.ext.asyncio import AsyncConnection

from fastapi_kit.db import Database
from tests.pagination.walks import KINDS, TABLE, Walk, flat

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

Rows = list[dict[str, Any]]

COLUMNS = [column.name for column in TABLE.c if column.name != "id"]
OTHERS = {name: KINDS[name.removesuffix("_or_null")].values[0] for name in COLUMNS}


def _values(name: str) -> st.SearchStrategy[Any]:
    values = st.sampled_from(KINDS[name.removesuffix("_or_null")].values)
    return values | st.none() if name.endswith("_or_null") else values


terms = st.tuples(st.sampled_from(["", "-"]), st.sampled_from(COLUMNS)).map("".join)
Case = tuple[list[str], Rows, Rows]
"""An order, rows that differ in its columns, and more of them."""


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """An order of up to three columns and the key, and rows for it."""
    order = draw(st.lists(terms, min_size=1, max_size=3, unique_by=lambda term: term.removeprefix("-")))
    names = [term.removeprefix("-") for term in order]
    rows = st.lists(st.fixed_dictionaries({name: _values(name) for name in names}), max_size=7)
    return [*order, draw(st.sampled_from(["id", "-id"]))], draw(rows), draw(rows)


law = settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


async def connected(database: Database) -> AsyncGenerator[AsyncConnection]:
    """A connection to the empty table."""
    async with database.engine.begin() as connection:
        await connection.run_sync(TABLE.metadata.create_all)
        yield connection


async def fill(connection: AsyncConnection, rows: Rows, numbers: Sequence[int]) -> None:
    """Add rows with these keys."""
    if rows:
        numbered = [{"id": number, **OTHERS, **row} for number, row in zip(numbers, rows, strict=True)]
        await connection.execute(sa.insert(TABLE), numbered)


@pytest.fixture
async def connection(database: Database) -> AsyncGenerator[AsyncConnection]:
    """A connection to the empty table."""
    async for connection in connected(database):
        yield connection


@pytest.fixture
async def mariadb_connection(mariadb: Database) -> AsyncGenerator[AsyncConnection]:
    """The same on MariaDB."""
    async for connection in connected(mariadb):
        yield connection


async def check_pages(connection: AsyncConnection, rows: Rows, order: Sequence[str], sizes: Sequence[int]) -> None:
    """Walk through pages of each of these sizes, both ways."""
    await connection.execute(sa.delete(TABLE))
    await fill(connection, rows, range(len(rows)))
    walk = Walk.by(*order)
    unpaged = await walk.all(connection)
    for size in sizes:
        for backward in (False, True):
            pages = await walk.pages(connection, size, backward=backward, most=len(rows) + 1)
            assert flat(pages) == unpaged, (order, size)
            assert len(pages) == -(-len(rows) // size)


@law
@given(case=cases())
async def test_pages_are_the_list(connection: AsyncConnection, case: Case) -> None:
    """Law: pages of every size, walked forward or backward, are the unpaged list, for columns of every type."""
    order, rows, _ = case
    await check_pages(connection, rows, order, range(1, len(rows) + 2))


@law
@given(case=cases(), size=st.integers(1, 3), backward=st.booleans())
async def test_new_rows_move_no_others(connection: AsyncConnection, case: Case, size: int, backward: bool) -> None:
    """Law: while rows are added during a walk, and the last one met is removed, each of the others is met once."""
    order, rows, late = case
    await connection.execute(sa.delete(TABLE))
    await fill(connection, rows, range(0, len(rows) * 2, 2))
    walk = Walk.by(*order)
    there = [row.id for row in await walk.all(connection)]
    met: list[int] = []
    cursor = None
    while page := await walk.page(connection, size, cursor, backward=backward):
        met += [row.id for row in (page[::-1] if backward else page)]
        end = page[0 if backward else -1]
        cursor = walk.cursor(end, backward=backward)
        await connection.execute(sa.delete(TABLE).where(TABLE.c.id == end.id))
        await fill(connection, late[:1], [len(met) * 2 - 1])
        late = late[1:]
    unchanged = [number for number in met if number % 2 == 0]
    assert unchanged == (there[::-1] if backward else there)
    assert len(met) == len(set(met))


@pytest.mark.mariadb
@settings(law, max_examples=25)
@given(case=cases())
async def test_pages_are_the_list_on_mariadb(mariadb_connection: AsyncConnection, case: Case) -> None:
    """Law: the same holds on MariaDB."""
    order, rows, _ = case
    await check_pages(mariadb_connection, rows, order, range(1, len(rows) + 2))


async def check_each_type(connection: AsyncConnection) -> None:
    """Walk by each column through rows with each of its values, two of each, and two nulls."""
    for name, kind in KINDS.items():
        for column in (name, f"{name}_or_null"):
            values = [*kind.values, None] if TABLE.c[column].nullable else kind.values
            rows = [{column: value} for value in [*values, *values]]
            for order in ((column, "id"), (f"-{column}", "id")):
                await check_pages(connection, rows, order, (1, 3))


async def test_each_type(connection: AsyncConnection) -> None:
    """Columns of each type are walked through, with as many ties and nulls as there are values."""
    await check_each_type(connection)


@pytest.mark.mariadb
async def test_each_type_on_mariadb(mariadb_connection: AsyncConnection) -> None:
    """The same holds on MariaDB, where some types compare as something else than they are read as."""
    await check_each_type(mariadb_connection)
