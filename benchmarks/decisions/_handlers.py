"""A generated GET with and without FastAPI's solver, on SQLite."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Annotated, Any

from fastapi import Depends, FastAPI, Header

from benchmarks._databases import sqlite
from benchmarks._driver import Call, running
from benchmarks._work import Repeated, sending
from examples.atlas.data import CITIES_15000
from examples.atlas.models import City
from examples.atlas.seed import seed
from fastapi_kit.crud import CRUDRouter
from fastapi_kit.db import Database
from fastapi_kit.lifespan import compose

PARIS = Call("GET", "/cities/2988507")


async def nothing() -> None:
    """A dependency that costs nothing but its being called."""


async def nothing_solved(_: Annotated[str, Header()] = "") -> None:
    """One that has to be solved, for its parameter."""


DEPENDENCIES: Mapping[str, list[Any]] = {
    "called directly": [],
    "one dependency, called": [Depends(nothing)],
    "one dependency, solved": [Depends(nothing_solved)],
}


@asynccontextmanager
async def handlers() -> AsyncGenerator[Mapping[str, Repeated]]:
    """The same router in an app without dependencies, and under one of either kind."""
    async with sqlite() as place, AsyncExitStack() as stack:
        database = Database(place.url)
        await seed(database, CITIES_15000)
        contenders: dict[str, Repeated] = {}
        for name, dependencies in DEPENDENCIES.items():
            app = FastAPI(lifespan=compose(database.lifespan), dependencies=dependencies)
            app.include_router(CRUDRouter(City, prefix="/cities"))
            server = await stack.enter_async_context(running(app))
            contenders[name] = await sending(server, PARIS)
        yield contenders
