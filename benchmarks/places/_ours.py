"""The kit's apps; each has one router at `/places`, so that routing costs the same in all."""

from collections.abc import Mapping

from fastapi import FastAPI

from fastapi_kit.crud import RANGE, TEXT, CRUDRouter, Many, One, Query
from fastapi_kit.db import Database
from fastapi_kit.lifespan import compose

from ._models import Place

MANY_FILTERS: Mapping[str, frozenset[str]] = {
    "id": RANGE,
    "name": TEXT,
    "region_id": RANGE,
    "score": RANGE,
    "rating": RANGE,
    "opened_on": RANGE,
    "remark": TEXT,
    "region.id": RANGE,
    "region.name": TEXT,
    "region.code": TEXT,
    "notes.id": RANGE,
    "notes.place_id": RANGE,
    "notes.text": TEXT,
    "notes.stars": RANGE,
}
"""With the operators that each column has: more than 100 filters."""


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
    router = CRUDRouter(
        Place,
        prefix="/places",
        routes={"list", "export"},
        query=query,
        include={"region": One(), "notes": Many(limit=50)},
    )
    return make_app(url, router)
