"""The router that fastapi-crudrouter makes, set up as its documentation shows: on SQLAlchemy, in threads.

Its last release, of January 2023, is for pydantic 1. One patch lets it run.
"""

# fastapi-crudrouter is not installed where types are checked, and where it is, its types are partial.
# pyright: reportMissingImports=false, reportUnknownVariableType=false
# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false

from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI
from fastapi_crudrouter import SQLAlchemyCRUDRouter
from fastapi_crudrouter.core import _utils
from pydantic import BaseModel
from sqlalchemy import create_engine, make_url
from sqlalchemy.orm import Session, sessionmaker

from examples.atlas.models import City

from ._contestant import CityCreate, CityRead, Contestant, ListQuery, set_pragmas

DRIVERS = {"sqlite": "sqlite", "postgresql": "postgresql+psycopg"}
"""It calls a `Session`, so it takes drivers that block."""


def _type_of_key(schema: type[BaseModel], key: str) -> Any:
    """The type of the path parameter: pydantic 2 has it in another place than the one that is asked."""
    return schema.model_fields[key].annotation


_utils.get_pk_type = _type_of_key


def crudrouter(url: str) -> Contestant:
    """An app with that router; its POST answers 200 and its DELETE the row that was."""
    location = make_url(url)
    engine = create_engine(location.set(drivername=DRIVERS[location.get_backend_name()]))
    set_pragmas(engine)
    sessions = sessionmaker(engine, autoflush=False)

    def get_session() -> Generator[Session]:
        with sessions() as session:
            yield session
            session.commit()

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncGenerator[None]:
        yield
        engine.dispose()

    app = FastAPI(lifespan=lifespan)
    app.include_router(
        SQLAlchemyCRUDRouter(
            schema=CityRead,
            create_schema=CityCreate,
            update_schema=CityCreate,
            db_model=City,
            db=get_session,
            prefix="cities",
            paginate=100,
        )
    )
    return Contestant(
        "fastapi-crudrouter",
        app,
        _list_target,
        items=lambda body: body,
        created=200,
        deleted=200,
        lacks={"filtered": "it has neither filters nor orders", "patch": "it replaces rows, by PUT"},
        countable=False,
    )


def _list_target(query: ListQuery) -> str:
    return f"/cities?skip={query.offset}&limit={query.limit}"
