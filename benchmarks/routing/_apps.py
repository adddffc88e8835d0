"""Apps that differ in how many routers they have, and in whether these are indexed."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter, FastAPI
from sqlalchemy import insert
from sqlalchemy.orm import Mapped, mapped_column

from benchmarks._driver import Call
from fastapi_kit.app import index_routes
from fastapi_kit.crud import CRUDRouter
from fastapi_kit.db import Base, Database
from fastapi_kit.lifespan import compose


class Thing(Base):
    """A row."""

    __tablename__ = "routing_things"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]


@dataclass(frozen=True, slots=True)
class Layout:
    """What an app has.

    Args:
        name: What the report calls it.
        routers: How many routers; the request goes to the last.
        indexed: Whether its routes are indexed.
    """

    name: str
    routers: int
    indexed: bool = False

    @property
    def call(self) -> Call:
        """GET of one thing at the last router."""
        return Call("GET", f"/things{self.routers - 1}/1")


Make = Callable[[str], APIRouter]
"""Makes a router with this prefix."""


def generated(prefix: str) -> APIRouter:
    """Six routes on a table."""
    return CRUDRouter(Thing, prefix=prefix)


def trivial(prefix: str) -> APIRouter:
    """Five routes that do nothing."""
    router = APIRouter(prefix=prefix)

    async def answer() -> dict[str, Any]:
        return {"id": 1, "name": "thing"}

    for path, method in [("", "GET"), ("", "POST"), ("/{id}", "GET"), ("/{id}", "PATCH"), ("/{id}", "DELETE")]:
        router.add_api_route(path, answer, methods=[method])
    return router


def make_app(layout: Layout, make: Make, database: Database) -> FastAPI:
    """An app with as many routers as the layout says."""
    app = FastAPI(lifespan=compose(database.lifespan))
    for number in range(layout.routers):
        app.include_router(make(f"/things{number}"))
    if layout.indexed:
        index_routes(app)
    return app


async def fill(url: str) -> None:
    """Make the table and its one row."""
    database = Database(url)
    async with database.engine.begin() as connection:
        await connection.run_sync(Thing.metadata.tables[Thing.__tablename__].create)
        await connection.execute(insert(Thing), {"id": 1, "name": "thing"})
    await database.dispose()
