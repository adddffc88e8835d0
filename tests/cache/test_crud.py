"""The cache on generated routes."""

import pytest
from fastapi import FastAPI, Request
from sqlalchemy import event
from sqlalchemy.orm import Mapped, mapped_column

from fastapi_kit.cache import Cache, CacheMiddleware, cached
from fastapi_kit.crud import CRUDRouter, OverrideContext
from fastapi_kit.db import Base, Database
from fastapi_kit.lifespan import compose
from fastapi_kit.testing import client

pytestmark = pytest.mark.anyio


class Leaf(Base):
    """A row."""

    __tablename__ = "cache_leaf"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]


def leaf_tags(request: Request) -> list[str]:
    """Of one row alone."""
    return [f"leaf:{request.path_params['id']}"]


async def test_a_write_forgets_what_it_changes(database: Database) -> None:
    """Lists and rows are given again without a statement, until a write has been committed; other rows stay."""
    async with database.engine.begin() as connection:
        await connection.run_sync(Base.metadata.tables["cache_leaf"].create)
    cache = Cache()
    leaves = CRUDRouter(Leaf, prefix="/leaves")

    @leaves.override("list")
    @cached(60, tags=["leaf"])
    async def listed(context: OverrideContext) -> object:
        return await context.default()

    @leaves.override("get")
    @cached(60, tags=leaf_tags)
    async def got(context: OverrideContext) -> object:
        return await context.default()

    leaves.after_commit(cache.forget)
    app = FastAPI(lifespan=compose(database.lifespan, cache.lifespan))
    app.add_middleware(CacheMiddleware, cache=cache)
    app.include_router(leaves)
    statements: list[str] = []
    event.listen(database.engine.sync_engine, "before_cursor_execute", lambda *given: statements.append(given[2]))
    async with client(app) as http:
        for name in ("oak", "elm"):
            assert (await http.post("/leaves", json={"name": name})).status_code == 201
        for path in ("/leaves", "/leaves/1", "/leaves/2"):
            await http.get(path)
        statements.clear()
        for path in ("/leaves", "/leaves/1", "/leaves/2"):
            assert (await http.get(path)).headers["cache-status"].startswith("fastapi-kit; hit")
        assert statements == []
        assert (await http.patch("/leaves/1", json={"name": "ash"})).status_code == 200
        assert (await http.get("/leaves/1")).json()["name"] == "ash"
        assert [item["name"] for item in (await http.get("/leaves")).json()["items"]] == ["ash", "elm"]
        assert (await http.get("/leaves/2")).headers["cache-status"].startswith("fastapi-kit; hit")
        head = await http.head("/leaves/2")
        assert (head.content, head.headers["cache-status"][:16]) == (b"", "fastapi-kit; hit")
        assert (await http.delete("/leaves/2")).status_code == 204
        assert (await http.get("/leaves/2")).status_code == 404
