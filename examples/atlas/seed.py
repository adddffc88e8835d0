"""Load a world into the database exactly once, however many processes try and wherever one of them is killed.

One transaction does it all. Its first statement inserts the dataset's name into `seeded_datasets`, and that is the
lock, too: PostgreSQL lets a second process wait there until the first has committed or gone, SQLite has one writer. A
seed that is interrupted leaves neither rows nor name, so the next start does it again; a finished one leaves both.
"""

import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sqlalchemy import Column, DateTime, String, Table, func, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.schema import CreateIndex, CreateTable

from fastapi_kit.auth import EmailTakenError, NewUser, PasswordHasher, SQLUserStore
from fastapi_kit.crud import import_rows
from fastapi_kit.db import Base, Database

from .data import Dataset, Row
from .models import City, Continent, Country, User

Progress = Callable[[str, int, int], None]
"""Told after each batch: the table's name, its rows done, its rows in all."""

BATCH = 2_000
CREATE_TABLES_LOCK = 0x61746C6173
INSERTS: dict[str, Callable[[Any], Any]] = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}

seeded_datasets = Table(
    "seeded_datasets",
    Base.metadata,
    Column("name", String(40), primary_key=True),
    Column("seeded_at", DateTime(timezone=True), server_default=func.now(), nullable=False),
)


DEMO_EMAIL = "demo@example.com"
"""Who logs in first: an admin, whose password is made at random and told once."""


class UnsupportedDatabaseError(ValueError):
    """The atlas does not run on this kind of database."""


def silent(_table: str, _done: int, _total: int) -> None:
    """Show nothing."""


async def create_tables(database: Database) -> None:
    """Create the tables and indexes that are missing; safe when several processes start at once.

    Raises:
        UnsupportedDatabaseError: Nothing has been created.
    """
    backend = database.url.get_backend_name()
    if backend not in INSERTS:
        raise UnsupportedDatabaseError(f"The atlas runs on {' and '.join(INSERTS)}, not on {backend}.")
    if backend == "sqlite" and database.url.database:
        Path(database.url.database).parent.mkdir(parents=True, exist_ok=True)
    async with database.engine.begin() as connection:
        if connection.dialect.name == "postgresql":  # where IF NOT EXISTS still races with another's CREATE
            await connection.execute(select(func.pg_advisory_xact_lock(CREATE_TABLES_LOCK)))
        for table in Base.metadata.sorted_tables:
            await connection.execute(CreateTable(table, if_not_exists=True))
            for index in table.indexes:
                await connection.execute(CreateIndex(index, if_not_exists=True))


async def seed(database: Database, dataset: Dataset, progress: Progress = silent) -> bool:
    """Load `dataset` unless the database has it; rows that are there already are kept as they are.

    Returns:
        Whether this call loaded it.

    Raises:
        UnsupportedDatabaseError: Nothing has been created.
    """
    await create_tables(database)
    if await _is_seeded(database, dataset):
        return False
    world = dataset.read()  # before the transaction, so that other writers wait for the inserts alone
    async with database.engine.begin() as connection:
        if not await _claim(connection, dataset):
            return False
        for model, rows in ((Continent, world.continents), (Country, world.countries), (City, world.cities)):
            await _load(connection, model, rows, progress)
    return True


async def add_demo_user(database: Database) -> str | None:
    """Make the demo's user unless there is one.

    Returns:
        The password, which is nowhere else; `None` if there was a user already.
    """
    password = secrets.token_urlsafe(12)
    hashed = await PasswordHasher(deadline=1).hash(password)
    try:
        await SQLUserStore(database, User).add(NewUser(DEMO_EMAIL, hashed, roles=("admin",), is_verified=True))
    except EmailTakenError:
        return None
    return password


async def _is_seeded(database: Database, dataset: Dataset) -> bool:
    statement = select(seeded_datasets).where(seeded_datasets.c.name == dataset.name)
    return await database.run(lambda connection: connection.execute(statement).first()) is not None


async def _claim(connection: AsyncConnection, dataset: Dataset) -> bool:
    statement = INSERTS[connection.dialect.name](seeded_datasets).on_conflict_do_nothing()
    claimed = await connection.execute(statement.returning(seeded_datasets.c.name), {"name": dataset.name})
    return claimed.first() is not None


async def _load(connection: AsyncConnection, model: type[Base], rows: list[Row], progress: Progress) -> None:
    def show(done: int) -> None:
        progress(model.__tablename__, done, len(rows))

    await import_rows(connection, model, rows, on_conflict="skip", batch=BATCH, progress=show)
