"""`import_rows`: what is written, what is kept, in which order, and in how much memory."""

import itertools
import sys
from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from fastapi_kit.crud import ResourceError, import_rows
from fastapi_kit.crud._batches import OnConflict
from fastapi_kit.db import Base, Database, Timestamps, UUIDKey, Versioned, uuid7
from tests.crud.library import VALUES, Everything, create_tables

pytestmark = pytest.mark.anyio


class Models(DeclarativeBase):
    """A registry for these tests alone."""

    metadata = sa.MetaData(naming_convention=Base.metadata.naming_convention)
    type_annotation_map = Base.type_annotation_map


class Item(Models):
    """A row with defaults of each kind, and a column that has another name than its attribute."""

    __tablename__ = "item"
    code: Mapped[str] = mapped_column(sa.String(9), primary_key=True)
    size: Mapped[int] = mapped_column(default=7)
    unit: Mapped[str | None] = mapped_column("u", sa.String(9), server_default="kg")
    note: Mapped[str | None] = mapped_column(sa.String(9))
    twice: Mapped[int | None] = mapped_column(sa.Computed("size * 2", persisted=True))


class Person(UUIDKey, Timestamps, Versioned, Models):
    """A row whose key the application makes, and that is known by a key of its own."""

    __tablename__ = "person"
    email: Mapped[str] = mapped_column(sa.String(20), unique=True)
    name: Mapped[str] = mapped_column(sa.String(20))


class Tally(Timestamps, Versioned, Models):
    """A row with a key of its own and columns that change by themselves."""

    __tablename__ = "tally"
    code: Mapped[str] = mapped_column(sa.String(9), primary_key=True)
    count: Mapped[int]


class Pair(Models):
    """A row with a key of two columns."""

    __tablename__ = "pair"
    a: Mapped[int] = mapped_column(primary_key=True)
    b: Mapped[int] = mapped_column(primary_key=True)


class Node(Models):
    """A row that refers to another one of its table."""

    __tablename__ = "node"
    id: Mapped[int] = mapped_column(primary_key=True)
    parent_id: Mapped[int | None] = mapped_column(sa.ForeignKey("node.id"))
    label: Mapped[str] = mapped_column(sa.String(9), default="none")


class Twin(Models):
    """A row with two keys."""

    __tablename__ = "twin"
    id: Mapped[int] = mapped_column(primary_key=True)
    slug: Mapped[str] = mapped_column(sa.String(9), unique=True)
    size: Mapped[int] = mapped_column(default=7)


@pytest.fixture
async def tables(database: Database) -> Database:
    """A database with the tables of this module, empty."""
    await create_tables(database, Models)
    return database


async def load(database: Database, model: type[DeclarativeBase], *rows: Mapping[str, Any], **options: Any) -> int:
    """Import rows in a transaction of their own."""
    async with database.engine.begin() as connection:
        return await import_rows(connection, model, rows, **options)


async def items(database: Database) -> list[tuple[Any, ...]]:
    """The items that are stored."""
    statement = sa.select(Item.code, Item.size, Item.unit, Item.note).order_by(Item.code)
    return [tuple(row) for row in await database.run(lambda connection: connection.execute(statement).all())]


async def test_rows_of_different_attributes(tables: Database) -> None:
    """What a row does not have gets the column's default, whatever its neighbours have; and null is what says null."""
    rows: list[dict[str, Any]] = [
        {"code": "a"},
        {"code": "b", "unit": "t", "note": "x"},
        {"code": "c", "size": 1},
        {"note": "y", "code": "d"},
        {"code": "e", "unit": None},
    ]
    assert await load(tables, Item, *rows) == 5
    assert await items(tables) == [
        ("a", 7, "kg", None),
        ("b", 7, "t", "x"),
        ("c", 1, "kg", None),
        ("d", 7, "kg", "y"),
        ("e", 7, None, None),
    ]


async def test_an_update_leaves_what_was_not_given(tables: Database) -> None:
    """Of rows that are there the given attributes are written, the others stay, and new rows get defaults."""
    await load(tables, Item, {"code": "a", "size": 1, "unit": "t", "note": "x"})
    await load(tables, Item, {"code": "a", "note": "y"}, {"code": "b"}, {"code": "a", "size": 2}, on_conflict="update")
    assert await items(tables) == [("a", 2, "t", "y"), ("b", 7, "kg", None)]


async def test_skip_keeps_rows_and_raises_all_else(tables: Database) -> None:
    """Only a taken key is skipped: a value that is missing still raises."""
    await load(tables, Item, {"code": "a", "size": 1})
    assert await load(tables, Item, {"code": "a", "size": 2}, {"code": "b"}, on_conflict="skip") == 2
    assert await items(tables) == [("a", 1, "kg", None), ("b", 7, "kg", None)]
    with pytest.raises(IntegrityError):
        await load(tables, Item, {"code": "c", "size": None}, on_conflict="skip")


async def test_a_taken_key_is_an_error_unless_said_otherwise(tables: Database) -> None:
    """And the caller's transaction takes back what was written before it."""
    await load(tables, Item, {"code": "a"})
    with pytest.raises(IntegrityError):
        await load(tables, Item, {"code": "b"}, {"code": "a"}, batch=1)
    assert await items(tables) == [("a", 7, "kg", None)]


async def test_a_key_may_be_named(tables: Database) -> None:
    """People are known by their addresses; their keys stay, their versions count, new ones get a key."""
    await load(tables, Person, {"email": "a@x", "name": "A"})
    people = sa.select(Person.id, Person.version, Person.name).order_by(Person.email)
    [before] = await tables.run(lambda connection: connection.execute(people).all())
    rows = [{"email": "a@x", "name": "AA"}, {"email": "b@x", "name": "B"}]
    await load(tables, Person, *rows, on_conflict="update", conflict_columns=["email"])
    first, second = await tables.run(lambda connection: connection.execute(people).all())
    assert first == (before.id, 2, "AA")
    assert (second.version, second.name) == (1, "B")
    assert second.id > first.id


async def test_another_key_stays_an_error(tables: Database) -> None:
    """An address that is taken by someone else is no reason to change that one's row."""
    await load(tables, Person, {"email": "a@x", "name": "A"})
    with pytest.raises(IntegrityError):
        await load(tables, Person, {"id": uuid7(), "email": "a@x", "name": "B"}, on_conflict="update")


@pytest.mark.parametrize("on_conflict", ["skip", "update"])
async def test_keys_of_several_columns(tables: Database, on_conflict: OnConflict) -> None:
    """A row that is nothing but its key is there or is not."""
    rows = [{"a": a, "b": b} for a in range(3) for b in range(3)]
    await load(tables, Pair, *rows[:5], on_conflict=on_conflict)
    await load(tables, Pair, *rows, on_conflict=on_conflict, conflict_columns=["b", "a"])
    count = sa.select(sa.func.count()).select_from(Pair)
    assert await tables.run(lambda connection: connection.scalar(count)) == 9


async def test_rows_that_refer_to_each_other_keep_their_order(tables: Database) -> None:
    """A row may refer to any row before it, whatever attributes the two have."""
    rows: list[dict[str, Any]] = [
        {"id": 1, "parent_id": None},
        {"id": 2, "label": "x"},
        {"id": 3, "parent_id": 2},
        {"id": 4, "label": "y", "parent_id": 3},
    ]
    assert await load(tables, Node, *rows) == 4


async def test_every_type_is_written_as_the_orm_writes_it(database: Database) -> None:
    """A row of every supported type comes back as it was."""
    await create_tables(database)
    await load(database, Everything, dict(VALUES))
    async with database.session() as session:
        [row] = await session.scalars(sa.select(Everything))
        assert {name: getattr(row, name) for name in VALUES} == VALUES


CODE: dict[str, st.SearchStrategy[Any]] = {"code": st.sampled_from("abc")}
MORE: dict[str, st.SearchStrategy[Any]] = {
    "size": st.integers(0, 9),
    "unit": st.sampled_from([None, "t"]),
    "note": st.sampled_from([None, "x"]),
}
ROWS = st.lists(st.fixed_dictionaries(CODE, optional=MORE), max_size=9)


def imported(rows: list[dict[str, Any]], on_conflict: str) -> list[tuple[Any, ...]]:
    """What the table holds when rows were written one after the other."""
    table: dict[str, dict[str, Any]] = {}
    for row in rows:
        known = table.get(row["code"])
        if known is None:
            table[row["code"]] = {"size": 7, "unit": "kg", "note": None} | row
        elif on_conflict == "update":
            known.update(row)
    return [(code, row["size"], row["unit"], row["note"]) for code, row in sorted(table.items())]


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=ROWS, batch=st.integers(1, 5), on_conflict=st.sampled_from(["error", "skip", "update"]))
async def test_a_batch_does_what_its_rows_would_do_one_by_one(
    tables: Database, rows: list[dict[str, Any]], batch: int, on_conflict: OnConflict
) -> None:
    """Whatever attributes rows have and however they are batched, the table is as after one INSERT for each."""
    if on_conflict == "error":
        rows = list({row["code"]: row for row in rows}.values())
    async with tables.engine.begin() as connection:
        await connection.execute(sa.delete(Item))
    assert await load(tables, Item, *rows, batch=batch, on_conflict=on_conflict) == len(rows)
    assert await items(tables) == imported(rows, on_conflict)


TWIN: dict[str, st.SearchStrategy[Any]] = {"id": st.integers(1, 3), "slug": st.sampled_from("abc")}
TWINS = st.lists(st.fixed_dictionaries(TWIN, optional={"size": MORE["size"]}), max_size=6)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(known=st.booleans(), rows=TWINS, on_conflict=st.sampled_from(["error", "skip", "update"]))
async def test_a_batch_ends_as_its_rows_would_one_by_one(
    tables: Database, known: bool, rows: list[dict[str, Any]], on_conflict: OnConflict
) -> None:
    """With a second unique key, too, and be it by an error."""
    stored = sa.select(Twin.id, Twin.slug, Twin.size).order_by(Twin.id)
    ends: list[Any] = []
    for batch in (1, 6):
        async with tables.engine.connect() as connection:
            if known:
                await connection.execute(sa.insert(Twin), [{"id": 1, "slug": "a"}, {"id": 2, "slug": "b"}])
            try:
                await import_rows(connection, Twin, rows, batch=batch, on_conflict=on_conflict)
            except IntegrityError:
                ends.append("error")
            else:
                ends.append((await connection.execute(stored)).all())
    assert ends[0] == ends[1]


async def test_a_stream_is_read_batch_by_batch(tables: Database) -> None:
    """Never more than a batch is taken from an iterator ahead of what is written; an asynchronous one will do, too."""
    taken = itertools.count()
    done: list[int] = []

    def rows() -> Iterator[dict[str, Any]]:
        for number in range(25):
            assert next(taken) - (done[-1] if done else 0) < 10
            yield {"code": f"c{number}"}

    async def asynchronous() -> AsyncIterator[dict[str, Any]]:
        for row in rows():
            yield row

    async with tables.engine.begin() as connection:
        assert await import_rows(connection, Item, rows(), batch=10, progress=done.append) == 25
        assert done == [10, 20, 25]
        taken, done[:] = itertools.count(), []
        again = import_rows(connection, Item, asynchronous(), batch=10, progress=done.append, on_conflict="skip")
        assert await again == 25
    assert done == [10, 20, 25]


async def test_memory_is_constant(tmp_path: Path) -> None:
    """Of 200,000 rows, each of several objects, never more is held than a few thousand need."""
    database = Database(f"sqlite:///{tmp_path / 'test.db'}")
    await create_tables(database, Models)
    rows = ({"a": number, "b": -number} for number in range(200_000))
    held: list[int] = []
    before = sys.getallocatedblocks()  # as tracemalloc would tell, but in a tenth of the time
    async with database.engine.begin() as connection:
        await import_rows(connection, Pair, rows, progress=lambda _: held.append(sys.getallocatedblocks() - before))
    await database.dispose()
    assert len(held) == 200
    assert max(held) < 20_000


async def test_a_batch_may_be_larger_than_a_statement(tables: Database) -> None:
    """No number of rows meets the database's limit of parameters."""
    rows = [{"code": str(number), "size": number, "unit": "t", "note": "x"} for number in range(10_000)]
    for on_conflict in ("error", "update"):
        assert await load(tables, Item, *rows, batch=10_000, on_conflict=on_conflict) == 10_000


@pytest.mark.parametrize(
    ("model", "row", "options", "cure"),
    [
        pytest.param(Item, {"code": "b", "sise": 1}, {}, "'sise': did you mean 'size'", id="unknown"),
        pytest.param(Item, {"code": "b", "u": "t"}, {}, "'u'", id="name-of-the-column"),
        pytest.param(Item, {"code": "b", "zzzzz": "t"}, {}, "leave it out", id="nothing-like-it"),
        pytest.param(Item, {"code": "b", None: ["t"]}, {}, "'None': leave it out", id="surplus-of-csv"),
        pytest.param(Item, {"code": "b", "twice": 2}, {}, "computed", id="computed"),
        pytest.param(Item, {"size": 1}, {}, "lacks code", id="missing"),
        pytest.param(Person, {"email": "b", "name": "B"}, {"on_conflict": "update"}, "lacks id", id="key-of-update"),
        pytest.param(
            Person,
            {"email": "b", "name": "B"},
            {"on_conflict": "update", "conflict_columns": ["name"]},
            "not unique by name.* id or email",
            id="no-key",
        ),
        pytest.param(Item, {"code": "b"}, {"conflict_columns": ["code"]}, "on_conflict", id="no-conflict"),
        pytest.param(Item, {"code": "b"}, {"batch": 0}, "one row or more", id="batch"),
    ],
)
async def test_what_cannot_work_is_refused(
    tables: Database, model: type[Models], row: dict[str, Any], options: dict[str, Any], cure: str
) -> None:
    """The message names the cure, and nothing of the batch is written, although the caller goes on."""
    good = {"code": "a"} if model is Item else {"id": uuid7(), "email": "a", "name": "A"}
    async with tables.engine.begin() as connection:
        with pytest.raises(ValueError, match=cure):
            await import_rows(connection, model, [good, row], **options)
    count = sa.select(sa.func.count()).select_from(model)
    assert await tables.run(lambda connection: connection.scalar(count)) == 0


async def test_belongs_to_the_transaction_of_a_session(tables: Database) -> None:
    """What the session has pending is there for the rows that refer to it, and a rollback takes all of it back."""
    async with tables.session() as session:
        session.add(Node(id=1))
        assert await import_rows(session, Node, [MappingProxyType({"id": 2, "parent_id": 1})]) == 1
        assert list(await session.scalars(sa.select(Node.id).order_by(Node.id))) == [1, 2]
        await session.rollback()
        assert list(await session.scalars(sa.select(Node.id))) == []


@pytest.mark.mariadb
async def test_mariadb(mariadb: Database) -> None:
    """Rows are skipped and updated, versions count; a key beside another one is refused."""
    await create_tables(mariadb, Models)
    await load(mariadb, Item, {"code": "a", "size": 1}, {"code": "b"})
    await load(mariadb, Item, {"code": "a", "size": 2}, {"code": "c", "note": "x"}, on_conflict="skip")
    await load(mariadb, Item, {"code": "b", "size": 3}, {"code": "d"}, {"code": "d", "unit": "t"}, on_conflict="update")
    assert await items(mariadb) == [
        ("a", 1, "kg", None),
        ("b", 3, "kg", None),
        ("c", 7, "kg", "x"),
        ("d", 7, "t", None),
    ]
    await load(mariadb, Tally, *[{"code": "a", "count": count} for count in range(3)], on_conflict="update")
    tally = sa.select(Tally.count, Tally.version, Tally.updated_at > Tally.created_at)
    assert await mariadb.run(lambda connection: connection.execute(tally).all()) == [(2, 3, True)]
    with pytest.raises(ResourceError, match="also unique by email"):
        await load(mariadb, Person, {"id": uuid7(), "email": "a@x", "name": "A"}, on_conflict="update")
