"""The same lists as one would write them with the ORM: eager loading for related rows, a second query for the total."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Annotated, Any

from fastapi import Depends, FastAPI, Query, Request
from pydantic import BaseModel
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker
from sqlalchemy.orm import joinedload, selectinload

from benchmarks.crud._contestant import engine_for

from ._models import Place
from ._orm_exports import PlaceRead, Row, exports


class RegionRead(Row):
    """A region."""

    id: int
    name: str
    code: str


class NoteRead(Row):
    """A note."""

    id: int
    place_id: int
    text: str
    stars: int


class PlaceInRegion(PlaceRead):
    """A place and where it is."""

    region: RegionRead


class PlaceWithNotes(PlaceRead):
    """A place and what was written about it."""

    notes: list[NoteRead]


class Counted(BaseModel):
    """A page, and how many places there are."""

    items: list[PlaceRead]
    total: int


async def get_session(request: Request) -> AsyncGenerator[AsyncSession]:
    """One session per request."""
    async with request.app.state.sessions() as session:
        yield session


SessionDep = Annotated[AsyncSession, Depends(get_session)]
LimitDep = Annotated[int, Query(ge=1, le=100)]


def orm(url: str) -> FastAPI:
    """An app with these lists."""
    engine = engine_for(url)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncGenerator[None]:
        yield
        await engine.dispose()

    app = FastAPI(lifespan=lifespan)
    app.state.sessions = async_sessionmaker(engine, expire_on_commit=False)

    @app.get("/places", response_model=list[PlaceRead])
    async def places(session: SessionDep, limit: LimitDep = 20) -> Any:
        return (await session.scalars(select(Place).order_by(Place.id).limit(limit))).all()

    @app.get("/places/counted", response_model=Counted)
    async def counted(session: SessionDep, limit: LimitDep = 20) -> Any:
        items = (await session.scalars(select(Place).order_by(Place.id).limit(limit))).all()
        total = await session.scalar(select(func.count()).select_from(Place))
        return {"items": items, "total": total}

    @app.get("/places/in-regions", response_model=list[PlaceInRegion])
    async def in_regions(session: SessionDep, limit: LimitDep = 20) -> Any:
        statement = select(Place).options(joinedload(Place.region, innerjoin=True)).order_by(Place.id).limit(limit)
        return (await session.scalars(statement)).all()

    @app.get("/places/with-notes", response_model=list[PlaceWithNotes])
    async def with_notes(session: SessionDep, limit: LimitDep = 20) -> Any:
        statement = select(Place).options(selectinload(Place.notes)).order_by(Place.id).limit(limit)
        return (await session.scalars(statement)).all()

    app.include_router(exports(app.state.sessions))
    return app
