"""Cashews, set up as its documentation shows."""

# Cashews is not installed where types are checked.
# pyright: reportMissingImports=false, reportUnknownVariableType=false
# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from cashews import Cache
from fastapi import FastAPI

from ._apps import TTL, Item, items


def cashews(redis_url: str | None, prefix: str) -> FastAPI:
    """Cashews' decorator on the endpoint."""
    cache = Cache()
    cache.setup(redis_url or "mem://")

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncGenerator[None]:
        await cache.init()
        yield
        await cache.close()

    app = FastAPI(lifespan=lifespan)
    app.get("/items", response_model=list[Item])(cache(ttl=TTL, key=prefix)(items))
    return app
