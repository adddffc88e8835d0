"""What the API serves: one router per table, and who may what."""

from datetime import date
from typing import Annotated

from fastapi import APIRouter, Depends
from pydantic import Field

from fastapi_kit.auth import Auth
from fastapi_kit.cache import Cache, cached
from fastapi_kit.crud import RANGE, TEXT, CRUDRouter, Many, One, OverrideContext, Query, Version, of_principal
from fastapi_kit.schemas import ISO_DATE, WHOLE, Schema, text

from .models import City, Continent, Country, User, Visit


class VisitCreate(Schema, strict=True):
    """A visit as its visitor tells of it: `rating` is bounded here, so a wrong one is a 422 that says what is right."""

    city_id: Annotated[int, WHOLE]
    visited_on: Annotated[date, Field(strict=False), ISO_DATE]
    rating: Annotated[int, Field(ge=1, le=5), WHOLE]
    note: Annotated[str, text(max_length=500)] | None = None


def make_routers(auth: Auth[User], cache: Cache) -> tuple[APIRouter, ...]:
    """The routers, in the order in which they are included: everybody reads of places, and users keep visits."""
    may_edit = Depends(auth.require("places:write"))
    by_editors = {name: [may_edit] for name in ("create", "replace", "update", "delete")}

    continents = CRUDRouter(
        Continent,
        prefix="/continents",
        tags=["continents"],
        dependencies=by_editors,
        query=Query(default_sort="name", count="exact"),
    )
    continents.after_commit(cache.forget)

    @continents.override("list")
    @cached(60, scope="public", tags=["continent"])
    async def list_continents(context: OverrideContext) -> object:
        return await context.default()

    countries = CRUDRouter(
        Country,
        prefix="/countries",
        tags=["countries"],
        dependencies=by_editors,
        query=Query(
            filter={
                "name": TEXT,
                "continent_code": {"eq", "in"},
                "continent.name": {"eq"},
                "currency_code": {"eq", "in"},
                "population": RANGE,
                "area_km2": RANGE,
            },
            search={"name", "capital"},
            sort={"code", "name", "population", "area_km2"},
            default_sort="name",
            count="exact",
        ),
        include={"continent": One(), "cities": Many(limit=10, sort="-population")},
    )

    cities = CRUDRouter(
        City,
        prefix="/cities",
        tags=["cities"],
        dependencies=by_editors,
        routes={"list", "get", "create", "replace", "update", "delete", "export"},
        query=Query(
            filter={
                "name": TEXT,
                "country_code": {"eq", "in"},
                "country.continent_code": {"eq"},
                "timezone": {"eq", "in"},
                "population": RANGE,
                "latitude": RANGE,
                "longitude": RANGE,
            },
            sort={"name", "country_code", "population", "latitude", "longitude"},
            default_sort="name",
            sparse=True,
        ),
        include={"country": One()},
    )

    cities_of_country = CRUDRouter(
        City,
        prefix="/countries/{country_code}/cities",
        tags=["countries"],
        parent="country_code",
        routes={"list"},
        query=Query(filter={"name": TEXT}, search={"name"}, sort={"name", "population"}, default_sort="-population"),
    )

    visits = CRUDRouter(
        Visit,
        prefix="/visits",
        tags=["visits"],
        dependencies={"*": [Depends(auth.require("visits"))]},
        scope=Visit.owner_id == of_principal(lambda user: user.id),
        stamp={"owner_id": lambda user: user.id},
        create=VisitCreate,
        query=Query(
            filter={
                "city_id": {"eq", "in"},
                "city.country_code": {"eq", "in"},
                "visited_on": RANGE,
                "rating": RANGE,
            },
            search={"note", "city.name"},
            sort={"visited_on", "rating", "created_at"},
            default_sort="-visited_on",
        ),
        include={"city": One()},
        version=Version("version", required=False),
        soft_delete="deleted_at",
    )

    return continents, countries, cities, cities_of_country, visits
