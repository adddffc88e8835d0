"""The tables: Continent 1-n Country 1-n City 1-n Visit n-1 User; keys are strings, strings, integers and UUIDs."""

from datetime import date
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Identity, Index, SmallInteger, String
from sqlalchemy.orm import Mapped, mapped_column, relationship

from fastapi_kit.auth import AuthTables, UserColumns
from fastapi_kit.db import HIDDEN, Base, SoftDelete, Timestamps, UUIDKey, Versioned

FIRST_OWN_CITY = 100_000_000
"""PostgreSQL numbers the cities made through the API from here, clear of GeoNames' own numbers (13.7 million in 2026).
SQLite has no sequences: it counts on from the highest number there is."""


class Continent(Base):
    """One of the seven continents."""

    __tablename__ = "continents"

    code: Mapped[str] = mapped_column(String(2), primary_key=True, doc="Two letters, such as EU")
    name: Mapped[str] = mapped_column(String(40), unique=True)
    population: Mapped[int] = mapped_column(BigInteger)

    __table_args__ = (CheckConstraint("population >= 0", name="population"),)


class Country(Base):
    """A country or territory."""

    __tablename__ = "countries"

    code: Mapped[str] = mapped_column(String(2), primary_key=True, doc="ISO 3166-1 alpha-2, such as FR")
    iso3: Mapped[str] = mapped_column(String(3), unique=True, doc="ISO 3166-1 alpha-3, such as FRA")
    name: Mapped[str] = mapped_column(String(100), unique=True)
    continent_code: Mapped[str] = mapped_column(ForeignKey(Continent.code), index=True)
    capital: Mapped[str | None] = mapped_column(String(100))
    area_km2: Mapped[int]
    population: Mapped[int] = mapped_column(BigInteger)
    currency_code: Mapped[str | None] = mapped_column(String(3), doc="ISO 4217, such as EUR")
    phone: Mapped[str | None] = mapped_column(String(20), doc="Calling code, such as 33")
    tld: Mapped[str | None] = mapped_column(String(10), doc="Top-level domain, such as .fr")

    continent: Mapped[Continent] = relationship()
    cities: Mapped[list["City"]] = relationship(lambda: City, back_populates="country")

    __table_args__ = (
        CheckConstraint("area_km2 >= 0", name="area_km2"),
        CheckConstraint("population >= 0", name="population"),
    )


class City(Base):
    """A populated place."""

    __tablename__ = "cities"

    id: Mapped[int] = mapped_column(
        Identity(start=FIRST_OWN_CITY), primary_key=True, doc="GeoNames' number of the place"
    )
    name: Mapped[str] = mapped_column(String(200))
    country_code: Mapped[str] = mapped_column(ForeignKey(Country.code))
    admin1: Mapped[str | None] = mapped_column(String(20), doc="Code of the state, province or region")
    population: Mapped[int] = mapped_column()
    latitude: Mapped[float]
    longitude: Mapped[float]
    timezone: Mapped[str] = mapped_column(String(40), doc="Name in the IANA database, such as Europe/Paris")

    country: Mapped[Country] = relationship(back_populates="cities")

    __table_args__ = (
        CheckConstraint("population >= 0", name="population"),
        CheckConstraint("latitude BETWEEN -90 AND 90", name="latitude"),
        CheckConstraint("longitude BETWEEN -180 AND 180", name="longitude"),
        # A list ends its order with the key, so an index that does the same gives a page without sorting.
        Index(None, "name", "id"),
        Index(None, population.desc(), "id"),
        Index(None, "country_code", population.desc(), "id"),
    )


class User(UUIDKey, Timestamps, UserColumns, Base):
    """Who logs in."""

    __tablename__ = "users"


auth_tables = AuthTables(Base.metadata)
"""Sessions and API keys of users."""


class Visit(UUIDKey, Timestamps, Versioned, SoftDelete, Base):
    """A day of a user in a city, and what it was like."""

    __tablename__ = "visits"

    owner_id: Mapped[UUID] = mapped_column(ForeignKey(User.id), info=HIDDEN)
    city_id: Mapped[int] = mapped_column(ForeignKey(City.id))
    visited_on: Mapped[date]
    rating: Mapped[int] = mapped_column(SmallInteger, doc="From 1 (never again) to 5 (stay)")
    note: Mapped[str | None] = mapped_column(String(500))

    city: Mapped[City] = relationship()

    __table_args__ = (
        CheckConstraint("rating BETWEEN 1 AND 5", name="rating"),
        Index(None, "owner_id", "visited_on", "id"),
    )


# One visit of a user to a city on a day; one that was deleted does not count.
Index(
    "uq_visits_owner_id_city_id_visited_on",
    Visit.owner_id,
    Visit.city_id,
    Visit.visited_on,
    unique=True,
    postgresql_where=Visit.deleted_at.is_(None),
    sqlite_where=Visit.deleted_at.is_(None),
)
