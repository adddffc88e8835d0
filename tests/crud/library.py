"""The models and the app that the tests of CRUD routes share.

A country has a string key, a city an integer key and a note a UUID; `Everything` has a column of each supported type.
"""

import enum
from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from fastapi import APIRouter, FastAPI
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

from fastapi_kit.crud import CRUDRouter
from fastapi_kit.db import HIDDEN, READ_ONLY, Base, Database, Timestamps, UTCDateTime, UUIDKey, Versioned
from fastapi_kit.errors import install
from fastapi_kit.lifespan import compose


class Models(DeclarativeBase):
    """A registry for these tests alone, with what `Base` has."""

    metadata = sa.MetaData(naming_convention=Base.metadata.naming_convention)
    type_annotation_map = Base.type_annotation_map


class Country(Models):
    """A row with a string key, which the client chooses."""

    __tablename__ = "country"
    code: Mapped[str] = mapped_column(sa.String(2), primary_key=True)
    name: Mapped[str] = mapped_column(sa.String(40), unique=True)
    currency: Mapped[str] = mapped_column(sa.String(3), server_default="EUR")
    population: Mapped[int | None] = mapped_column(sa.BigInteger, comment="As of the last census")


class City(Models):
    """A row with an integer key, which the database counts, and with every kind of constraint."""

    __tablename__ = "city"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(sa.String(40))
    country_code: Mapped[str] = mapped_column(sa.ForeignKey("country.code"))
    population: Mapped[int] = mapped_column(default=0)
    elevation: Mapped[int | None] = mapped_column("elev_m")
    short: Mapped[str | None] = mapped_column("abbr", sa.String(8), unique=True)
    twin_id: Mapped[int | None] = mapped_column(sa.ForeignKey("city.id"))
    rank: Mapped[int] = mapped_column(default=7, info=READ_ONLY)
    secret: Mapped[str] = mapped_column(sa.String(20), default="hidden-value", info=HIDDEN)
    country: Mapped[Country] = relationship()
    __table_args__ = (
        sa.UniqueConstraint("country_code", "name"),
        sa.CheckConstraint("population >= 0", name="population_is_positive"),
        sa.CheckConstraint("name <> 'Atlantis' OR population = 0", name="sunk"),
    )


class Note(UUIDKey, Timestamps, Versioned, Models):
    """A row with a UUID key, which the application makes, and with columns that the server writes."""

    __tablename__ = "note"
    text: Mapped[str] = mapped_column(sa.String(200))
    mood: Mapped[str | None] = mapped_column(sa.String(20))


class Colour(enum.Enum):
    """Stored by name, sent by value."""

    RED = "red"
    GREEN = "green"


TYPES: Mapping[str, sa.types.TypeEngine[Any]] = {
    "small": sa.SmallInteger(),
    "number": sa.Integer(),
    "big": sa.BigInteger(),
    "flag": sa.Boolean(),
    "colour": sa.Enum(Colour),
    "level": sa.Enum("low", "high", name="level"),
    "line": sa.String(20),
    "text": sa.Text(),
    "price": sa.Numeric(10, 2),
    "ratio": sa.Float(),
    "at": UTCDateTime(),
    "wall": sa.DateTime(),
    "day": sa.Date(),
    "clock": sa.Time(),
    "span": sa.Interval(),
    "ref": sa.Uuid(),
    "data": sa.JSON(),
}
"""Each supported type, by the name of its column."""

VALUES: Mapping[str, Any] = {
    "small": -32_768,
    "number": 2_147_483_647,
    "big": -9_223_372_036_854_775_808,
    "flag": True,
    "colour": Colour.GREEN,
    "level": "high",
    "line": 'Zürich "Ω" \\ 🜁',
    "text": "one\ntwo\t\u2028three",
    "price": Decimal("12345678.90"),
    "ratio": 0.1,
    "at": datetime(2024, 2, 29, 23, 59, 59, 123456, UTC),
    "wall": datetime(1, 1, 2, 3, 4, 5),  # noqa: DTZ001 - a wall clock
    "day": date(9999, 12, 31),
    "clock": time(23, 59, 59, 999999),
    "span": timedelta(days=-1, seconds=5, microseconds=6),
    "ref": UUID("01890a5d-ac96-774b-bcce-b302099a8057"),
    "data": {"a": [1, 2.5, None, True, "é"], "b": {}},
}
"""A value for each of `TYPES`."""


class Everything(Models):
    """A row with a column of each type, twice: one that is never null, and one that may be."""

    __table__ = sa.Table(
        "everything",
        Models.metadata,
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("twice", sa.Integer, sa.Computed("small * 2", persisted=True)),
        *(sa.Column(name, type_, nullable=False) for name, type_ in TYPES.items()),
        *(sa.Column(f"{name}_or_null", type_) for name, type_ in TYPES.items()),
    )


ROUTERS = (
    CRUDRouter(Country, prefix="/countries"),
    CRUDRouter(City, prefix="/cities"),
    CRUDRouter(Note, prefix="/notes"),
    CRUDRouter(Everything, prefix="/everything"),
)


async def create_tables(database: Database, models: type[DeclarativeBase] = Models) -> None:
    """Create the tables of a registry."""
    async with database.engine.begin() as connection:
        await connection.run_sync(models.metadata.create_all)


async def store(database: Database, model: type[DeclarativeBase], *rows: Mapping[str, Any]) -> None:
    """Store rows, all of the same attributes."""
    async with database.session() as session:
        session.add_all(model(**row) for row in rows)
        await session.commit()


def app_with(database: Database, *routers: APIRouter) -> FastAPI:
    """An app that serves routers on a database."""
    app = FastAPI(lifespan=compose(database.lifespan))
    for router in routers:
        app.include_router(router)
    install(app)
    return app
