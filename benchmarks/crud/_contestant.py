"""What the crud benchmark asks of each contestant, and what all of them are given."""

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from fastapi import FastAPI
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import event
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import ConnectionPoolEntry


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
    """

    name: str
    app: FastAPI
    list_target: Callable[[ListQuery], str]
    items: Callable[[Any], list[dict[str, Any]]]
    created: int = 201
    deleted: int = 204
    always_counts: bool = False
    headers: tuple[tuple[bytes, bytes], ...] = ()


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
    """An engine as the peers' documentation makes one; on SQLite with the kit's pragmas, for equal disk work."""
    engine = create_async_engine(url)
    if engine.dialect.name == "sqlite":
        event.listen(engine.sync_engine, "connect", _set_pragmas)
    return engine


def _set_pragmas(connection: DBAPIConnection, _entry: ConnectionPoolEntry) -> None:
    cursor = connection.cursor()
    for pragma in ("journal_mode = WAL", "synchronous = NORMAL", "foreign_keys = ON", "busy_timeout = 5000"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def disposing(engine: AsyncEngine) -> Callable[[FastAPI], Any]:
    """A lifespan that closes `engine` at its end."""

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncGenerator[None]:
        yield
        await engine.dispose()

    return lifespan
