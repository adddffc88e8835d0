"""The router that fastcrud makes, set up as its documentation shows."""

# fastcrud is not installed where types are checked, and where it is, its types are partial.
# pyright: reportMissingImports=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from collections.abc import AsyncGenerator

from fastapi import FastAPI
from fastcrud import FilterConfig, crud_router
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from examples.atlas.models import City

from ._contestant import CityCreate, CityRead, CityUpdate, Contestant, ListQuery, disposing, engine_for


def fastcrud(url: str) -> Contestant:
    """An app with that router; its lists always count all rows, its PATCH answers `null` and its DELETE a message."""
    engine = engine_for(url)
    sessions = async_sessionmaker(engine, expire_on_commit=False)

    async def get_session() -> AsyncGenerator[AsyncSession]:
        async with sessions() as session:
            yield session

    app = FastAPI(lifespan=disposing(engine))
    app.include_router(
        crud_router(
            session=get_session,
            model=City,
            create_schema=CityCreate,
            update_schema=CityUpdate,
            select_schema=CityRead,
            path="/cities",
            tags=["cities"],
            filter_config=FilterConfig(country_code=None, population__gte=None),
        )
    )
    return Contestant(
        "fastcrud",
        app,
        _list_target,
        items=lambda body: body["data"],
        created=200,
        deleted=200,
        always_counts=True,
    )


def _list_target(query: ListQuery) -> str:
    filters = "&country_code=FR&population__gte=50000&sort=-population" if query.filtered else "&sort=id"
    return f"/cities?offset={query.offset}&limit={query.limit}{filters}"
