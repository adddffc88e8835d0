"""What the crud benchmark asks of each contestant, and what all of them are given."""

from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from fastapi import FastAPI
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import Engine, event
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import ConnectionPoolEntry
from starlette.types import ASGIApp

PRAGMAS = ("journal_mode = WAL", "synchronous = NORMAL", "foreign_keys = ON", "busy_timeout = 5000")
"""The kit's settings of SQLite: every contestant has them, for equal disk work."""


@dataclass(frozen=True, slots=True)
class ListQuery:
    """A page of cities.

    Args:
        limit: Rows per page.
        page: The page, from 1.
        filtered: Only French cities of at least 50,000 people, biggest first; else all, by key.
        total: Whether the answer counts all the rows, too.
    """

    limit: int
    page: int = 1
    filtered: bool = False
    total: bool = False

    @property
    def offset(self) -> int:
        """Rows before the page."""
        return (self.page - 1) * self.limit


@dataclass(frozen=True, slots=True)
class Contestant:
    """One way to serve `/cities`.

    Args:
        name: What the report calls it.
        app: Serves `/cities` and `/cities/{id}`.
        list_target: Path and query string of a list in this contestant's grammar.
        items: The rows in the decoded body of a list.
        created: The status of a successful POST.
        deleted: The status of a successful DELETE.
        always_counts: Whether a list cannot be had without its total.
        headers: What every request has to bring.
        lacks: Why it cannot do an operation, by the name of the operation.
        countable: Whether its statements can be counted, which takes asyncpg under SQLAlchemy.
    """

    name: str
    app: ASGIApp
    list_target: Callable[[ListQuery], str]
    items: Callable[[Any], list[dict[str, Any]]]
    created: int = 201
    deleted: int = 204
    always_counts: bool = False
    headers: tuple[tuple[bytes, bytes], ...] = ()
    lacks: Mapping[str, str] = field(default_factory=dict[str, str])
    countable: bool = True


class CityCreate(BaseModel):
    """What a client sends to make a city; the peers share these schemas."""

    name: str = Field(max_length=200)
    country_code: str = Field(min_length=2, max_length=2)
    admin1: str | None = Field(default=None, max_length=20)
    population: int = Field(ge=0)
    latitude: float = Field(ge=-90, le=90)
    longitude: float = Field(ge=-180, le=180)
    timezone: str = Field(max_length=40)


class CityUpdate(BaseModel):
    """What a client may change."""

    name: str | None = Field(default=None, max_length=200)
    country_code: str | None = Field(default=None, min_length=2, max_length=2)
    admin1: str | None = Field(default=None, max_length=20)
    population: int | None = Field(default=None, ge=0)
    latitude: float | None = Field(default=None, ge=-90, le=90)
    longitude: float | None = Field(default=None, ge=-180, le=180)
    timezone: str | None = Field(default=None, max_length=40)


class CityRead(BaseModel):
    """What a client gets."""

    model_config = ConfigDict(from_attributes=True)

    id: int
    name: str
    country_code: str
    admin1: str | None
    population: int
    latitude: float
    longitude: float
    timezone: str


def engine_for(url: str) -> AsyncEngine:
    """An engine as the peers' documentation makes one; on SQLite with `PRAGMAS`."""
    engine = create_async_engine(url)
    set_pragmas(engine.sync_engine)
    return engine


def set_pragmas(engine: Engine) -> None:
    """Let each new connection of an engine for SQLite begin with `PRAGMAS`."""
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _execute_pragmas)


def _execute_pragmas(connection: DBAPIConnection, _entry: ConnectionPoolEntry) -> None:
    cursor = connection.cursor()
    for pragma in PRAGMAS:
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def disposing(engine: AsyncEngine) -> Callable[[FastAPI], Any]:
    """A lifespan that closes `engine` at its end."""

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncGenerator[None]:
        yield
        await engine.dispose()

    return lifespan
