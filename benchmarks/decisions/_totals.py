"""What a list costs with each kind of total, on SQLite with all 234,908 places of the atlas."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager

from fastapi import FastAPI

from benchmarks._databases import sqlite
from benchmarks._driver import Call, running
from benchmarks._work import Repeated, sending
from examples.atlas.data import ALL_CITIES
from examples.atlas.models import City
from examples.atlas.seed import seed
from fastapi_kit.crud import CRUDRouter
from fastapi_kit.db import Database
from fastapi_kit.lifespan import compose


@asynccontextmanager
async def totals() -> AsyncGenerator[Mapping[str, Repeated]]:
    """The first page of 20, ordered by key."""
    async with sqlite() as place:
        database = Database(place.url)
        await seed(database, ALL_CITIES)
        app = FastAPI(lifespan=compose(database.lifespan))
        app.include_router(CRUDRouter(City, prefix="/cities"))
        async with running(app) as server:
            yield {
                f"count={count}": await sending(server, Call("GET", f"/cities?count={count}"))
                for count in ("capped", "none", "exact")
            }
