"""A service of advanced-alchemy with the routes that its FastAPI documentation writes around one."""

# advanced-alchemy is not installed where types are checked, and where it is, its types are partial.
# pyright: reportMissingImports=false, reportUnknownVariableType=false, reportUnknownMemberType=false
# pyright: reportUnknownArgumentType=false, reportUnknownParameterType=false, reportUntypedBaseClass=false

from typing import Annotated, Any, Literal

from advanced_alchemy.extensions.fastapi import (
    AdvancedAlchemy,
    AsyncSessionConfig,
    SQLAlchemyAsyncConfig,
    filters,
    repository,
    service,
)
from fastapi import APIRouter, Depends, FastAPI, Query

from examples.atlas.models import City

from ._contestant import CityCreate, CityRead, CityUpdate, Contestant, ListQuery, disposing, engine_for


class CityService(service.SQLAlchemyAsyncRepositoryService[City]):
    """What can be done with cities."""

    class Repo(repository.SQLAlchemyAsyncRepository[City]):
        """Where they are."""

        model_type = City

    repository_type = Repo


def advanced_alchemy(url: str) -> Contestant:
    """An app with those routes; its lists always count all rows, its POST and DELETE answer 200."""
    engine = engine_for(url)
    config = SQLAlchemyAsyncConfig(
        engine_instance=engine,
        session_config=AsyncSessionConfig(expire_on_commit=False),
        commit_mode="autocommit",
    )
    app = FastAPI(lifespan=disposing(engine))
    app.include_router(_router(AdvancedAlchemy(config=config, app=app)))
    return Contestant(
        "advanced-alchemy",
        app,
        _list_target,
        items=lambda body: body["items"],
        created=200,
        deleted=200,
        always_counts=True,
    )


def _limit_offset(
    current_page: Annotated[int, Query(ge=1, alias="currentPage")] = 1,
    page_size: Annotated[int, Query(ge=1, le=100, alias="pageSize")] = 20,
) -> filters.LimitOffset:
    return filters.LimitOffset(limit=page_size, offset=page_size * (current_page - 1))


def _conditions(
    country_code: Annotated[str | None, Query(alias="countryCode")] = None,
    population_ge: Annotated[int | None, Query(ge=0, alias="populationGe")] = None,
    order_by: Annotated[Literal["id", "population"], Query(alias="orderBy")] = "id",
    sort_order: Annotated[Literal["asc", "desc"], Query(alias="sortOrder")] = "asc",
) -> list[filters.StatementFilter]:
    wanted: list[Any] = []
    if country_code is not None:
        wanted.append(filters.ComparisonFilter("country_code", "eq", country_code))
    if population_ge is not None:
        wanted.append(filters.ComparisonFilter("population", "ge", population_ge))
    wanted.append(filters.OrderBy(order_by, sort_order))
    if order_by != "id":
        wanted.append(filters.OrderBy("id"))
    return wanted


def _router(alchemy: AdvancedAlchemy) -> APIRouter:
    router = APIRouter(prefix="/cities", tags=["cities"])
    provided = Depends(alchemy.provide_service(CityService))

    @router.get("", response_model=service.OffsetPagination[CityRead])
    async def list_cities(
        cities: Annotated[CityService, provided],
        limit_offset: Annotated[filters.LimitOffset, Depends(_limit_offset)],
        conditions: Annotated[list[Any], Depends(_conditions)],
    ) -> Any:
        results, total = await cities.get_many_and_count(*conditions, limit_offset)
        return cities.to_schema(results, total, filters=[*conditions, limit_offset], schema_type=CityRead)

    @router.get("/{city_id}", response_model=CityRead)
    async def get_city(cities: Annotated[CityService, provided], city_id: int) -> Any:
        return cities.to_schema(await cities.get(city_id), schema_type=CityRead)

    @router.post("", response_model=CityRead)
    async def create_city(cities: Annotated[CityService, provided], data: CityCreate) -> Any:
        return cities.to_schema(await cities.create(data), schema_type=CityRead)

    @router.patch("/{city_id}", response_model=CityRead)
    async def update_city(cities: Annotated[CityService, provided], city_id: int, data: CityUpdate) -> Any:
        return cities.to_schema(await cities.update(data, item_id=city_id), schema_type=CityRead)

    @router.delete("/{city_id}")
    async def delete_city(cities: Annotated[CityService, provided], city_id: int) -> None:
        await cities.delete(city_id)

    return router


def _list_target(query: ListQuery) -> str:
    wanted = "&countryCode=FR&populationGe=50000&orderBy=population&sortOrder=desc" if query.filtered else ""
    return f"/cities?currentPage={query.page}&pageSize={query.limit}{wanted}"
