"""INSERTs that meet a row: which one is skipped or updated, under which condition, and what is refused."""

from collections.abc import Callable
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.dialects import mysql
from sqlalchemy.engine.interfaces import CacheStats
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

from fastapi_kit.crud import ResourceError
from fastapi_kit.crud._keys import unique_keys
from fastapi_kit.crud._upsert import insert_or_skip, upsert
from fastapi_kit.db import Base, Database, Timestamps, Versioned
from tests.crud.library import Models as Library
from tests.crud.library import create_tables

pytestmark = pytest.mark.anyio


class Models(DeclarativeBase):
    """A registry for these tests alone."""

    metadata = sa.MetaData(naming_convention=Base.metadata.naming_convention)
    type_annotation_map = Base.type_annotation_map


class Member(Models):
    """Who belongs to which team."""

    __tablename__ = "member"
    name: Mapped[str] = mapped_column(sa.String(9), primary_key=True)
    team: Mapped[int] = mapped_column(primary_key=True)


class Note(Timestamps, Versioned, Models):
    """A team's row, which has a version and time stamps."""

    __tablename__ = "note"
    id: Mapped[int] = mapped_column(primary_key=True)
    slug: Mapped[str] = mapped_column(sa.String(9), unique=True)
    team: Mapped[int]
    text: Mapped[str] = mapped_column(sa.String(9), default="none")
    edits: Mapped[int] = mapped_column(default=0, onupdate=99)
    members: Mapped[list[Member]] = relationship(
        primaryjoin=lambda: Member.team == Note.team, foreign_keys=lambda: Member.team, viewonly=True
    )


MEMBER = Models.metadata.tables["member"]
NOTE = Models.metadata.tables["note"]
OTHER = NOTE.alias()
HERS = {"id": 1, "slug": "a", "team": 1, "text": "hers"}
HIS = {"id": 2, "slug": "b", "team": 2, "text": "his"}


@pytest.fixture
async def notes(database: Database) -> Database:
    """A database with a note of each of two teams, one of which has a member."""
    await create_tables(database, Models)
    async with database.engine.begin() as connection:
        await connection.execute(sa.insert(Member), {"name": "ann", "team": 1})
        await connection.execute(sa.insert(Note), [HERS, HIS])
    return database


async def write(database: Database, statement: sa.Insert, *rows: dict[str, Any]) -> list[Any]:
    """Execute a statement for rows, one by one; what it returns."""
    async with database.engine.begin() as connection:
        results = [await connection.execute(statement, row) for row in rows]
        return [result.first() for result in results if result.returns_rows]


async def texts(database: Database) -> list[tuple[str, str]]:
    """What is stored."""
    statement = sa.select(Note.slug, Note.text).order_by(Note.slug)
    return [(slug, text) for slug, text in await database.run(lambda c: c.execute(statement).all())]


def by_id(dialect: str, where: sa.ColumnElement[bool] | None = None) -> sa.Insert:
    """An upsert by the primary key."""
    return upsert(dialect, NOTE, [NOTE.c.id], [NOTE.c.team, NOTE.c.text], where).returning(NOTE.c.id)


async def test_inserts_or_updates_what_was_given(notes: Database) -> None:
    """A new row is inserted whole; of one that is there only the named columns change."""
    statement = by_id(notes.engine.dialect.name)
    new = {"id": 3, "slug": "c", "team": 3}
    known = {"id": 1, "slug": "other", "team": 5, "text": "x"}
    assert await write(notes, statement, new, known) == [(3,), (1,)]
    assert await texts(notes) == [("a", "x"), ("b", "his"), ("c", "none")]


async def test_what_changes_by_itself_changes_as_in_an_update(notes: Database) -> None:
    """The version is counted up and the time stamp set for a row that was there, and not for a new one."""
    await write(notes, by_id(notes.engine.dialect.name), HERS | {"text": "x"}, HERS | {"id": 3, "slug": "c"})
    statement = sa.select(Note.version, Note.edits, Note.updated_at).order_by(Note.id)
    updated, untouched, made = await notes.run(lambda connection: connection.execute(statement).all())
    assert [row[:2] for row in (updated, untouched, made)] == [(2, 99), (1, 0), (1, 0)]
    assert updated.updated_at > untouched.updated_at


async def test_other_keys_stay_an_error(notes: Database) -> None:
    """A conflict with a key that is not meant is none to be resolved, neither by an update nor by skipping."""
    clash = {"id": 3, "slug": "a", "team": 1, "text": "x"}
    dialect = notes.engine.dialect.name
    for statement in (by_id(dialect), insert_or_skip(dialect, NOTE, [NOTE.c.id])):
        with pytest.raises(IntegrityError):
            await write(notes, statement, clash)
    await write(notes, insert_or_skip(dialect, NOTE), clash)
    assert await texts(notes) == [("a", "hers"), ("b", "his")]


async def test_nothing_to_update_is_a_skip(notes: Database) -> None:
    """Without columns to take, a row that is there stays as it is, its version too."""
    await write(notes, upsert(notes.engine.dialect.name, NOTE, [NOTE.c.id], []), HERS | {"text": "x"})
    version = sa.select(Note.version).where(Note.id == 1)
    assert await notes.run(lambda connection: connection.scalar(version)) == 1


MINE: dict[str, Callable[[], sa.ColumnElement[bool]]] = {
    "column": lambda: NOTE.c.team == 1,
    "attribute": lambda: Note.team == 1,
    "either": lambda: sa.or_(Note.team == 1, Note.team == 7),
    "exists": lambda: sa.exists().where(Member.name == "ann", Member.team == Note.team),
    "exists-correlated": lambda: sa.exists().where(Member.team == Note.team).correlate(Note),
    "relationship": lambda: Note.members.any(Member.name == "ann"),
    "in": lambda: Note.id.in_(sa.select(sa.literal(1)).where(Member.team == Note.team)),
    "same-table": lambda: sa.exists().where(OTHER.c.slug == "a", OTHER.c.id == Note.id),
}


@pytest.mark.parametrize("mine", MINE)
async def test_a_condition_protects_rows(notes: Database, mine: str) -> None:
    """A row of which it does not hold is neither changed nor returned, whatever the new row claims; also by subqueries.

    The new rows' own teams would let both through, or none.
    """
    statement = by_id(notes.engine.dialect.name, MINE[mine]())
    for team in (1, 2):
        new = {"slug": "new", "team": team, "text": f"x{team}"}
        assert await write(notes, statement, {"id": 1} | new, {"id": 2} | new) == [(1,), None]
        assert await texts(notes) == [("a", f"x{team}"), ("b", "his")]
        await write(notes, by_id(notes.engine.dialect.name), HERS)


async def test_the_statement_is_compiled_once(notes: Database) -> None:
    """Conditions of the same shape share one compiled form, and those of another do not."""
    dialect = notes.engine.dialect.name
    statements = [by_id(dialect, sa.exists().where(Member.name == name, Member.team == Note.team)) for name in "ab"]
    statements.append(by_id(dialect, sa.exists().where(Member.name == "a", Member.team == Note.id)))
    async with notes.engine.begin() as connection:
        hits = [(await connection.execute(it, HERS)).context.cache_hit for it in statements]
    assert hits == [CacheStats.CACHE_MISS, CacheStats.CACHE_HIT, CacheStats.CACHE_MISS]


async def test_tables_in_schemas(postgres: Database) -> None:
    """Tables keep their schemas in a condition."""
    metadata = sa.MetaData()
    notes = sa.Table(
        "n", metadata, sa.Column("id", sa.Integer, primary_key=True), sa.Column("t", sa.Integer), schema="s"
    )
    others = sa.Table("n", metadata, sa.Column("t", sa.Integer), schema="other")
    allowed = sa.exists().where(others.c.t == notes.c.t)
    statement = upsert("postgresql", notes, [notes.c.id], [notes.c.t], allowed).returning(notes.c.t)
    async with postgres.engine.begin() as connection:
        for schema in ("s", "other"):
            await connection.execute(sa.schema.CreateSchema(schema))
        await connection.run_sync(metadata.create_all)
        await connection.execute(sa.insert(others), {"t": 1})
        await connection.execute(sa.insert(notes), [{"id": 1, "t": 1}, {"id": 2, "t": 2}])
        assert [(await connection.execute(statement, {"id": number, "t": 9})).scalar() for number in (1, 2)] == [
            9,
            None,
        ]


def test_keys_of_a_table() -> None:
    """Constraints and whole unique indexes are keys; partial ones and those over expressions cannot be named."""
    table = sa.Table(
        "t",
        sa.MetaData(),
        *(sa.Column(name, sa.Integer, primary_key=name == "a", unique=name == "b") for name in "abcdef"),
        sa.Index("i1", "c", "d", unique=True),
        sa.Index("i2", "e", unique=True, sqlite_where=sa.text("f > 0")),
        sa.Index("i3", sa.text("abs(e)"), unique=True),
        sa.Index("i4", "f"),
    )
    keys = sorted(sorted(column.name for column in key) for key in unique_keys(table))
    assert keys == [["a"], ["b"], ["c", "d"]]


@pytest.mark.parametrize("dialect", ["mysql", "mariadb"])
def test_mariadb_refuses_a_key_beside_others(dialect: str) -> None:
    """Where the database could take a conflict with another key for one with the named key, nothing is written."""
    country, city = Library.metadata.tables["country"], Library.metadata.tables["city"]
    code, name = [country.c.code], [country.c.name]
    with pytest.raises(ResourceError, match="also unique by name"):
        upsert(dialect, country, code, [country.c.population])
    with pytest.raises(ResourceError, match="also unique by code"):
        insert_or_skip(dialect, country, name)
    with pytest.raises(ResourceError, match="also unique by id"):
        upsert(dialect, city, [city.c.abbr], [city.c.id])
    with pytest.raises(ResourceError, match="FOR UPDATE"):
        upsert(dialect, MEMBER, [MEMBER.c.name], [MEMBER.c.team], MEMBER.c.team == 1)


def test_mariadb_takes_a_key_that_alone_can_be_met() -> None:
    """A number that the database counts is never met by a row that does not bring one."""
    table = sa.Table(
        "t",
        sa.MetaData(),
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("code", sa.String(9), unique=True),
        sa.Column("size", sa.Integer),
    )
    statement = upsert("mysql", table, [table.c.code], [table.c.size])
    assert str(statement.compile(dialect=mysql.dialect())).endswith("ON DUPLICATE KEY UPDATE size = VALUES(size)")


@pytest.mark.mariadb
async def test_mariadb_updates_and_skips(mariadb: Database) -> None:
    """The version is counted up there, too, and only a taken key is skipped."""
    table = sa.Table(
        "t",
        sa.MetaData(),
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("size", sa.Integer, nullable=False),
        sa.Column("version", sa.Integer, default=1, onupdate=sa.column("version", sa.Integer()) + 1),
    )
    dialect = mariadb.engine.dialect.name
    async with mariadb.engine.begin() as connection:
        await connection.run_sync(table.metadata.create_all)
        for _ in range(2):
            await connection.execute(upsert(dialect, table, [table.c.id], [table.c.size]), {"id": 1, "size": 1})
        await connection.execute(insert_or_skip(dialect, table), [{"id": 1, "size": 5}, {"id": 2, "size": 2}])
        assert (await connection.execute(sa.select(table))).all() == [(1, 1, 2), (2, 2, 1)]
        with pytest.raises(IntegrityError):
            await connection.execute(insert_or_skip(dialect, table), {"id": 3, "size": None})
