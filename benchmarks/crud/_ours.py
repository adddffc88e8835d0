"""The router that the kit makes."""

from fastapi import Depends, FastAPI

from examples.atlas.models import City
from fastapi_kit.crud import RANGE, CRUDRouter, Query, of_principal
from fastapi_kit.db import Database
from fastapi_kit.lifespan import compose

from ._contestant import Contestant, ListQuery
from ._users import AUTHORIZATION, User, current_user

QUERY = Query(filter={"country_code": {"eq"}, "population": RANGE}, sort={"id", "population"})


def ours(url: str) -> Contestant:
    """A plain FastAPI app with that router."""
    return _serving(url, CRUDRouter(City, prefix="/cities", tags=["cities"], query=QUERY))


def ours_guarded(url: str) -> Contestant:
    """The same where each user has cities of their own."""
    cities = CRUDRouter(
        City,
        prefix="/cities",
        tags=["cities"],
        query=QUERY,
        dependencies={"*": [Depends(current_user)]},
        scope=City.country_code == of_principal(_country),
    )
    return _serving(url, cities, headers=AUTHORIZATION)


def _country(user: User) -> str:
    return user.country_code


def _serving(url: str, cities: CRUDRouter[City], headers: tuple[tuple[bytes, bytes], ...] = ()) -> Contestant:
    database = Database(url)
    app = FastAPI(lifespan=compose(database.lifespan))
    app.include_router(cities)
    return Contestant("ours", app, _list_target, items=lambda body: body["items"], headers=headers)


def _list_target(query: ListQuery) -> str:
    filters = "&country_code=FR&population__gte=50000&sort=-population" if query.filtered else ""
    count = "exact" if query.total else "none"
    return f"/cities?page={query.page}&limit={query.limit}&count={count}{filters}"
