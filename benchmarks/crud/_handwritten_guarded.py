"""The hand-written router where each user has cities of their own: a dependency more, and a WHERE in each statement."""

from collections.abc import Sequence
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, HTTPException, Query
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from examples.atlas.models import City

from ._contestant import CityCreate, CityRead, CityUpdate, Contestant
from ._handwritten import SessionDep, serving
from ._users import AUTHORIZATION, User, current_user

router = APIRouter(prefix="/cities", tags=["cities"])

UserDep = Annotated[User, Depends(current_user)]


@router.get("", response_model=list[CityRead])
async def list_cities(  # noqa: PLR0913, PLR0917  (an endpoint has a parameter for each filter)
    session: SessionDep,
    user: UserDep,
    offset: Annotated[int, Query(ge=0)] = 0,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
    country_code: str | None = None,
    population_gte: Annotated[int | None, Query(ge=0)] = None,
    sort: Literal["id", "-population"] = "id",
) -> Sequence[City]:
    """A page of the user's cities."""
    statement = select(City).where(City.country_code == user.country_code)
    if country_code is not None:
        statement = statement.where(City.country_code == country_code)
    if population_gte is not None:
        statement = statement.where(City.population >= population_gte)
    order = (City.population.desc(), City.id) if sort == "-population" else (City.id,)
    return (await session.scalars(statement.order_by(*order).offset(offset).limit(limit))).all()


async def own_city(session: AsyncSession, user: User, city_id: int) -> City:
    """A city of the user's, or a 404."""
    statement = select(City).where(City.id == city_id, City.country_code == user.country_code)
    city = (await session.scalars(statement)).one_or_none()
    if city is None:
        raise HTTPException(404, "City not found")
    return city


def check_country(country_code: str | None, user: User) -> None:
    """See that a city stays with the user."""
    if country_code is not None and country_code != user.country_code:
        raise HTTPException(403, "Not a city of yours")


@router.get("/{city_id}", response_model=CityRead)
async def get_city(city_id: int, session: SessionDep, user: UserDep) -> City:
    """One city."""
    return await own_city(session, user, city_id)


@router.post("", response_model=CityRead, status_code=201)
async def create_city(body: CityCreate, session: SessionDep, user: UserDep) -> City:
    """Make a city."""
    check_country(body.country_code, user)
    city = City(**body.model_dump())
    session.add(city)
    await session.commit()
    await session.refresh(city)
    return city


@router.patch("/{city_id}", response_model=CityRead)
async def update_city(city_id: int, body: CityUpdate, session: SessionDep, user: UserDep) -> City:
    """Change some of a city."""
    check_country(body.country_code, user)
    city = await own_city(session, user, city_id)
    for name, value in body.model_dump(exclude_unset=True).items():
        setattr(city, name, value)
    await session.commit()
    await session.refresh(city)
    return city


@router.delete("/{city_id}", status_code=204)
async def delete_city(city_id: int, session: SessionDep, user: UserDep) -> None:
    """Remove a city."""
    await session.delete(await own_city(session, user, city_id))
    await session.commit()


def handwritten_guarded(url: str) -> Contestant:
    """An app with that router."""
    return serving(url, router, headers=AUTHORIZATION)
