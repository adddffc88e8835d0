"""A complete service in one file: `uvicorn examples.minimal.main:app`, then open http://127.0.0.1:8000/docs."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from fastapi import FastAPI
from sqlalchemy import String
from sqlalchemy.orm import Mapped, mapped_column

from fastapi_kit.crud import CRUDRouter
from fastapi_kit.db import Base, Database
from fastapi_kit.errors import install
from fastapi_kit.lifespan import compose

database = Database("sqlite:///books.db")


class Book(Base):
    """A book on the shelf."""

    __tablename__ = "books"

    id: Mapped[int] = mapped_column(primary_key=True)
    title: Mapped[str] = mapped_column(String(200), unique=True)
    pages: Mapped[int | None]


@asynccontextmanager
async def tables(_app: FastAPI) -> AsyncGenerator[None]:
    async with database.engine.begin() as connection:
        await connection.run_sync(Base.metadata.create_all)
    yield


app = FastAPI(title="Books", lifespan=compose(database.lifespan, tables))
install(app)
app.include_router(CRUDRouter(Book, prefix="/books", tags=["books"]))
