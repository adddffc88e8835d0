"""Writes on MariaDB, which returns rows from INSERT and not from UPDATE."""

from collections.abc import AsyncGenerator
from typing import Any

import httpx2
import pytest
import sqlalchemy as sa
from pydantic import BaseModel
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from fastapi_kit.crud import Changed, CRUDRouter, OperationName, Version, WriteContext
from fastapi_kit.db import READ_ONLY, Database
from fastapi_kit.errors import ConflictError, ForbiddenError
from fastapi_kit.testing import client
from tests.crud.counting import Statements
from tests.crud.library import app_with, create_tables

pytestmark = [pytest.mark.anyio, pytest.mark.mariadb]


class Models(DeclarativeBase):
    """A registry for these tests alone."""


class Page(Models):
    """A row with a name of its own, and a version."""

    __tablename__ = "page"
    id: Mapped[int] = mapped_column(primary_key=True)
    slug: Mapped[str] = mapped_column(sa.String(20), unique=True)
    size: Mapped[int | None] = mapped_column(default=5)
    version: Mapped[int] = mapped_column(default=1, info=READ_ONLY)
    parent_id: Mapped[int | None] = mapped_column(sa.ForeignKey("page.id"))


class Line(Models):
    """What a hook writes."""

    __tablename__ = "line"
    id: Mapped[int] = mapped_column(primary_key=True)
    text: Mapped[str] = mapped_column(sa.String(40))


class Node(BaseModel):
    """A page of a tree, with a key of the client's."""

    id: int
    slug: str
    parent_id: int | None = None


ALL: set[OperationName] = {"list", "get", "create", "update", "delete", "create_many", "update_many", "delete_many"}


@pytest.fixture
async def router(mariadb: Database) -> CRUDRouter[Page]:
    """Pages by their slug, without hooks yet."""
    await create_tables(mariadb, Models)
    return CRUDRouter(Page, prefix="/pages", lookup="slug", version=Version(required=False), routes=ALL)


@pytest.fixture
async def api(mariadb: Database, router: CRUDRouter[Page]) -> AsyncGenerator[httpx2.AsyncClient]:
    """A client of the app."""
    async with client(app_with(mariadb, router)) as api:
        yield api


async def test_many_rows(api: httpx2.AsyncClient) -> None:
    """Bulk writes keep the order, take defaults, count versions, and are done for all rows or for none."""
    bodies: list[dict[str, Any]] = [{"slug": "c"}, {"slug": "a", "size": None}, {"slug": "b"}]
    made = (await api.post("/pages/bulk", json=bodies)).json()
    assert [(item["slug"], item["size"], item["version"]) for item in made] == [
        ("c", 5, 1),
        ("a", None, 1),
        ("b", 5, 1),
    ]
    repeated = await api.post("/pages/bulk", json=[{"slug": "d"}, {"slug": "a"}])
    assert (repeated.status_code, repeated.json()["fields"]) == (409, ["slug"])
    astray = await api.post("/pages/bulk", json=[{"slug": "d"}, {"slug": "e", "parent_id": 99}])
    assert (astray.status_code, astray.json()["fields"]) == (409, ["parent_id"])
    changes = [{"slug": "b", "size": 1, "version": 1}, {"slug": "a", "size": 2}]
    changed = (await api.patch("/pages", json=changes)).json()
    assert [(item["slug"], item["size"], item["version"]) for item in changed] == [("b", 1, 2), ("a", 2, 2)]
    assert (await api.patch("/pages", json=[{"slug": "a", "size": 3}, changes[0]])).status_code == 412
    assert (await api.get("/pages/a")).json()["size"] == 2
    assert (await api.delete("/pages?slug=a&slug=z")).status_code == 404
    assert (await api.delete("/pages?slug=a&slug=b")).status_code == 204
    assert [item["slug"] for item in (await api.get("/pages")).json()["items"]] == ["c"]


async def test_many_are_deleted_by_one_statement(mariadb: Database) -> None:
    """Rows that are named by numbers go by one DELETE; those of a tree go in the order of the request."""
    await create_tables(mariadb, Models)
    routers = (
        CRUDRouter(Line, prefix="/lines", routes=ALL),
        CRUDRouter(Page, prefix="/tree", create=Node, routes={"list", "create_many", "delete_many"}),
    )
    async with client(app_with(mariadb, *routers)) as api:
        lines = (await api.post("/lines/bulk", json=[{"text": text} for text in "abc"])).json()
        statements = Statements(mariadb)
        keys = "&".join(f"id={line['id']}" for line in lines)
        absent = await api.delete(f"/lines?{keys}&id=99&id=98")
        assert (absent.status_code, absent.json()["items"]) == (404, [3, 4])
        assert [line["text"] for line in (await api.get("/lines?sort=id")).json()["items"]] == ["a", "b", "c"]
        statements.take()
        assert (await api.delete(f"/lines?{keys}")).status_code == 204
        assert [it.split()[0] for it in statements.take()] == ["DELETE", "COMMIT"]
        nodes = [{"id": 1, "slug": "top"}, {"id": 2, "slug": "below", "parent_id": 1}]
        assert (await api.post("/tree/bulk", json=nodes)).status_code == 201
        assert (await api.delete("/tree?id=1&id=2")).status_code == 409
        assert (await api.delete("/tree?id=2&id=1")).status_code == 204


async def test_a_renamed_row(api: httpx2.AsyncClient) -> None:
    """PATCH that changes the name answers the row that has the new one."""
    assert (await api.post("/pages", json={"slug": "old"})).headers["location"] == "/pages/old"
    renamed = await api.patch("/pages/old", json={"slug": "new"}, headers={"If-Match": '"1"'})
    assert (renamed.json()["slug"], renamed.headers["etag"]) == ("new", '"2"')
    assert (await api.get("/pages/old")).status_code == 404


async def test_hooks(api: httpx2.AsyncClient, mariadb: Database, router: CRUDRouter[Page]) -> None:
    """Hooks are in the transaction of the write, and listeners are told of what is committed."""
    told = list[Any]()

    async def write(context: WriteContext) -> None:
        stored = context.stored.get("slug")
        context.session.add(Line(text=f"{context.operation} {stored}"))
        if stored == "bad":
            raise ForbiddenError("Not this one.")

    @router.after_commit
    async def tell(changed: Changed) -> None:
        told.append((changed.operation, list(changed.keys)))

    router.after("create")(write)
    router.after("update")(write)
    assert (await api.post("/pages", json={"slug": "good"})).status_code == 201
    assert (await api.post("/pages", json={"slug": "bad"})).status_code == 403
    assert (await api.patch("/pages/good", json={"slug": "bad"})).status_code == 403
    assert (await api.patch("/pages/good", json={"slug": "better"})).status_code == 200
    assert (await api.post("/pages/bulk", json=[{"slug": "x"}, {"slug": "bad"}])).status_code == 403
    lines = await mariadb.run(lambda connection: list(connection.scalars(sa.select(Line.text).order_by(Line.id))))
    assert lines == ["create good", "update better"]
    assert told == [("create", ["good"]), ("update", ["better"])]


async def test_upserts(mariadb: Database) -> None:
    """Rows are looked up by the key that is named, and then made or changed; another key stays a conflict."""
    await create_tables(mariadb, Models)
    pages = CRUDRouter(Page, prefix="/pages", version=Version(required=False), scope=Page.size < 100)
    async with mariadb.session() as session:
        repository = pages.repository(session)
        rows: list[dict[str, Any]] = [{"slug": "b", "size": 1}, {"slug": "a"}]
        await repository.upsert_many(rows, key="slug")
        b, c = await repository.upsert_many([{"slug": "b", "size": 2}, {"slug": "c", "size": 3}], key="slug")
        assert [(it.slug, it.size, it.version) for it in (b, c)] == [("b", 2, 2), ("c", 3, 1)]
        assert (await repository.upsert({"slug": "b", "size": 4}, key="slug", update=())).size == 2
        await session.commit()
        for row, key in (({"id": c.id, "slug": "b"}, "id"), ({"id": 99, "slug": "b"}, None)):
            with pytest.raises(ConflictError) as caught:
                await repository.upsert(row, key=key)
            assert caught.value.extensions["fields"] == ["slug"]
            await session.rollback()
            await session.refresh(c)
        with pytest.raises(ForbiddenError):
            await repository.upsert({"slug": "b", "size": 100}, key="slug")
        await session.rollback()
        session.add(Page(slug="out", size=100))
        await session.commit()
        with pytest.raises(ConflictError):
            await repository.upsert({"slug": "out", "size": 1}, key="slug")
        await session.rollback()
        assert await repository.count() == 3
