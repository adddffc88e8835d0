"""The kit's apps; each has one router at `/places`, so that routing costs the same in all."""

from fastapi import FastAPI

from fastapi_kit.crud import RANGE, TEXT, CRUDRouter, Many, One, Query
from fastapi_kit.db import Database
from fastapi_kit.lifespan import compose

from ._models import Place

NUMBERS = ("id", "region_id", "score", "rating", "opened_on", "region.id", "notes.id", "notes.place_id", "notes.stars")
TEXTS = ("name", "remark", "region.name", "region.code", "notes.text")
MANY_FILTERS = dict.fromkeys(NUMBERS, RANGE) | dict.fromkeys(TEXTS, TEXT)
"""A column that is never null does without `isnull`, and `eq` has a short form: 123 parameters."""


def make_app(url: str, router: CRUDRouter[Place]) -> FastAPI:
    """An app with that router."""
    database = Database(url)
    app = FastAPI(lifespan=compose(database.lifespan))
    app.include_router(router)
    return app


def plain(url: str) -> FastAPI:
    """Lists that may be sorted by score, and exports, without filters."""
    query = Query(filter={}, sort={"id", "score"})
    return make_app(url, CRUDRouter(Place, prefix="/places", routes={"list", "export"}, query=query))


def filtering(url: str) -> FastAPI:
    """The same with more than 100 filters."""
    query = Query(filter=MANY_FILTERS, sort={"id", "score"})
    return make_app(url, CRUDRouter(Place, prefix="/places", routes={"list", "export"}, query=query))


def including(url: str) -> FastAPI:
    """The same as the plain one with related rows."""
    query = Query(filter={}, sort={"id", "score"})
    include = {"region": One(), "notes": Many(limit=50)}
    router = CRUDRouter(Place, prefix="/places", routes={"list", "export"}, query=query, include=include)
    return make_app(url, router)
