"""The router that the kit makes."""

from fastapi import FastAPI

from examples.atlas.models import City
from fastapi_kit.crud import RANGE, CRUDRouter, Query
from fastapi_kit.db import Database
from fastapi_kit.lifespan import compose

from ._contestant import Contestant, ListQuery


def ours(url: str) -> Contestant:
    """A plain FastAPI app with that router."""
    database = Database(url)
    app = FastAPI(lifespan=compose(database.lifespan))
    app.include_router(
        CRUDRouter(
            City,
            prefix="/cities",
            tags=["cities"],
            query=Query(filter={"country_code": {"eq"}, "population": RANGE}, sort={"id", "population"}),
        )
    )
    return Contestant("ours", app, _list_target, items=lambda body: body["items"])


def _list_target(query: ListQuery) -> str:
    filters = "&country_code=FR&population__gte=50000&sort=-population" if query.filtered else ""
    count = "exact" if query.total else "none"
    return f"/cities?page={query.page}&limit={query.limit}&count={count}{filters}"
