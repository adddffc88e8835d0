"""The base and its mixins, on every backend."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from sqlalchemy import CheckConstraint, ForeignKey, MetaData, String, UniqueConstraint, insert, inspect, select, update
from sqlalchemy.exc import StatementError
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.orm.exc import StaleDataError

from fastapi_kit.db import Base, Database, SoftDelete, Timestamps, UUIDKey, Versioned

pytestmark = pytest.mark.anyio


class Models(DeclarativeBase):
    """A registry for these tests alone, with what `Base` has."""

    metadata = MetaData(naming_convention=Base.metadata.naming_convention)
    type_annotation_map = Base.type_annotation_map


class Note(UUIDKey, Timestamps, SoftDelete, Versioned, Models):
    """A row with every mixin."""

    __tablename__ = "note"
    text: Mapped[str] = mapped_column(String(50))
    at: Mapped[datetime | None]


class Tag(Models):
    """A row with every kind of constraint."""

    __tablename__ = "tag"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(20), index=True)
    parent_id: Mapped[int | None] = mapped_column(ForeignKey("tag.id"))
    __table_args__ = (UniqueConstraint("name", "parent_id"), CheckConstraint("name <> ''", name="not_empty"))


@pytest.fixture
async def notes(database: Database) -> Database:
    """A database with the tables."""
    async with database.engine.begin() as connection:
        await connection.run_sync(Models.metadata.create_all)
    return database


async def test_mixins_fill_their_columns(notes: Database) -> None:
    """Key, time stamps and version are there after an insert, and follow an update, by ORM and by Core."""
    async with notes.session() as session:
        note = Note(text="a")
        session.add(note)
        await session.commit()
        created = note.created_at
        assert note.id.version == 7
        assert created.tzinfo is UTC
        assert note.deleted_at is None
        assert note.version == 1
        note.text = "b"
        await session.commit()
        assert note.version == 2
        await session.execute(update(Note).values(text="c").execution_options(synchronize_session=False))
        await session.commit()
        await session.refresh(note)
        assert note.version == 3
        assert note.created_at == created
        assert note.updated_at > created


async def test_a_version_is_written_once(notes: Database) -> None:
    """Of two sessions that read the same version, the second to write is refused."""
    async with notes.session() as session:
        session.add(Note(text="a"))
        await session.commit()
    async with notes.session() as first, notes.session() as second:
        mine = (await first.scalars(select(Note))).one()
        await first.commit()
        theirs = (await second.scalars(select(Note))).one()
        theirs.text = "theirs"
        await second.commit()
        mine.text = "mine"
        with pytest.raises(StaleDataError):
            await first.commit()


@pytest.mark.parametrize("offset", [0, 5.5, -11], ids=["utc", "east", "west"])
async def test_instants_come_back_in_utc(notes: Database, offset: float) -> None:
    """Any zone goes in, UTC comes out, to the microsecond."""
    at = datetime(2024, 5, 6, 7, 8, 9, 123456, tzinfo=timezone(timedelta(hours=offset)))
    async with notes.session() as session:
        await session.execute(insert(Note).values(text="a", at=at))
        found = (await session.scalars(select(Note.at))).one()
    assert found == at
    assert found is not None
    assert found.tzinfo is UTC


async def test_naive_datetimes_are_refused(notes: Database) -> None:
    """A wall clock without a zone is no instant."""
    async with notes.session() as session:
        with pytest.raises(StatementError, match="give it a time zone"):
            await session.execute(insert(Note).values(text="a", at=datetime(2024, 5, 6)))  # noqa: DTZ001


async def test_constraints_are_named_after_their_columns(notes: Database) -> None:
    """Migrations can name every constraint without asking the database."""
    async with notes.engine.connect() as connection:
        unique, keys, checks, indexes = await connection.run_sync(
            lambda c: (
                inspect(c).get_unique_constraints("tag"),
                inspect(c).get_foreign_keys("tag"),
                inspect(c).get_check_constraints("tag"),
                inspect(c).get_indexes("tag"),
            )
        )
    assert [constraint["name"] for constraint in unique] == ["uq_tag_name_parent_id"]
    assert [constraint["name"] for constraint in keys] == ["fk_tag_parent_id_tag"]
    assert [constraint["name"] for constraint in checks] == ["ck_tag_not_empty"]
    assert "ix_tag_name" in {index["name"] for index in indexes}


async def test_time_stamps_that_the_database_writes(notes: Database) -> None:
    """A row of raw SQL gets instants that compare with those of the application."""
    before = datetime.now(UTC) - timedelta(seconds=5)
    async with notes.engine.begin() as connection:
        await connection.exec_driver_sql(
            "INSERT INTO note (id, text) VALUES ('01890a5dac96774bbcceb302099a8057', 'by hand')"
        )
        # Compared by the database, which keeps text on SQLite.
        stored = select(Note.created_at, Note.updated_at).where(Note.created_at > before)
        created, updated = (await connection.execute(stored)).one()
        again = select(Note.text).where(Note.created_at == created, Note.updated_at == updated)
        assert (await connection.execute(again)).scalar_one() == "by hand"
        assert created - before < timedelta(seconds=60)
