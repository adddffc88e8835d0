"""The router that FastAPI's documentation teaches: ORM, `response_model`, a `yield` session, commit and refresh."""

from collections.abc import AsyncGenerator, Sequence
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, FastAPI, HTTPException, Query, Request
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from examples.atlas.models import City

from ._contestant import CityCreate, CityRead, CityUpdate, Contestant, ListQuery, disposing, engine_for

router = APIRouter(prefix="/cities", tags=["cities"])


async def get_session(request: Request) -> AsyncGenerator[AsyncSession]:
    """One session per request."""
    async with request.app.state.sessions() as session:
        yield session


SessionDep = Annotated[AsyncSession, Depends(get_session)]


@router.get("", response_model=list[CityRead])
async def list_cities(  # noqa: PLR0913, PLR0917  (an endpoint has a parameter for each filter)
    session: SessionDep,
    offset: Annotated[int, Query(ge=0)] = 0,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
    country_code: str | None = None,
    population_gte: Annotated[int | None, Query(ge=0)] = None,
    sort: Literal["id", "-population"] = "id",
) -> Sequence[City]:
    """A page of cities."""
    statement = select(City)
    if country_code is not None:
        statement = statement.where(City.country_code == country_code)
    if population_gte is not None:
        statement = statement.where(City.population >= population_gte)
    order = (City.population.desc(), City.id) if sort == "-population" else (City.id,)
    return (await session.scalars(statement.order_by(*order).offset(offset).limit(limit))).all()


@router.get("/{city_id}", response_model=CityRead)
async def get_city(city_id: int, session: SessionDep) -> City:
    """One city."""
    city = await session.get(City, city_id)
    if city is None:
        raise HTTPException(404, "City not found")
    return city


@router.post("", response_model=CityRead, status_code=201)
async def create_city(body: CityCreate, session: SessionDep) -> City:
    """Make a city."""
    city = City(**body.model_dump())
    session.add(city)
    await session.commit()
    await session.refresh(city)
    return city


@router.patch("/{city_id}", response_model=CityRead)
async def update_city(city_id: int, body: CityUpdate, session: SessionDep) -> City:
    """Change some of a city."""
    city = await session.get(City, city_id)
    if city is None:
        raise HTTPException(404, "City not found")
    for name, value in body.model_dump(exclude_unset=True).items():
        setattr(city, name, value)
    await session.commit()
    await session.refresh(city)
    return city


@router.delete("/{city_id}", status_code=204)
async def delete_city(city_id: int, session: SessionDep) -> None:
    """Remove a city."""
    city = await session.get(City, city_id)
    if city is None:
        raise HTTPException(404, "City not found")
    await session.delete(city)
    await session.commit()


def handwritten(url: str) -> Contestant:
    """An app with that router."""
    return serving(url, router)


def serving(url: str, cities: APIRouter, headers: tuple[tuple[bytes, bytes], ...] = ()) -> Contestant:
    """An app with a router of this grammar, whose requests bring `headers`."""
    engine = engine_for(url)
    app = FastAPI(lifespan=disposing(engine))
    app.state.sessions = async_sessionmaker(engine, expire_on_commit=False)
    app.include_router(cities)
    return Contestant("handwritten", app, _list_target, items=lambda body: body, headers=headers)


def _list_target(query: ListQuery) -> str:
    filters = "&country_code=FR&population_gte=50000&sort=-population" if query.filtered else ""
    return f"/cities?offset={query.offset}&limit={query.limit}{filters}"
