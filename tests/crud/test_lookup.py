"""Rows that are named by a unique column, or by several columns."""

from collections.abc import AsyncGenerator
from datetime import date
from typing import Any
from urllib.parse import quote

import httpx2
import pytest
import sqlalchemy as sa
from pydantic import BaseModel
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from fastapi_kit.crud import RANGE, CRUDRouter, OperationName, Query
from fastapi_kit.db import READ_ONLY, Database
from fastapi_kit.testing import client
from tests.crud.library import app_with, create_tables

pytestmark = pytest.mark.anyio


class Models(DeclarativeBase):
    """A registry for these tests alone."""


class Article(Models):
    """A row with a key that nobody likes to read."""

    __tablename__ = "article"
    id: Mapped[int] = mapped_column(primary_key=True)
    slug: Mapped[str] = mapped_column(sa.String(20), unique=True)
    title: Mapped[str] = mapped_column(sa.String(20), default="untitled")
    version: Mapped[int] = mapped_column(default=1, info=READ_ONLY)


class Fare(Models):
    """A row that three columns name, each of another type."""

    __tablename__ = "fare"
    line: Mapped[str] = mapped_column(sa.String(9), primary_key=True)
    day: Mapped[date] = mapped_column(primary_key=True)
    zone: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    price: Mapped[int] = mapped_column(default=100)
    sold: Mapped[int] = mapped_column(default=0)


class Anything(BaseModel):
    """A body that takes any slug."""

    slug: str


MORE: set[OperationName] = {"list", "get", "create", "update", "replace", "delete", "create_many", "update_many"}
ROUTERS = (
    CRUDRouter(Article, prefix="/articles", lookup="slug", routes={*MORE, "delete_many"}),
    CRUDRouter(Article, prefix="/loose", lookup="slug", create=Anything),
    CRUDRouter(Article, prefix="/counted", lookup="slug", version="version"),
    CRUDRouter(Fare, prefix="/fares", routes=MORE, query=Query(filter={"zone": RANGE}, sort={"price"})),
)


@pytest.fixture
async def api(database: Database) -> AsyncGenerator[httpx2.AsyncClient]:
    """A client of the app."""
    await create_tables(database, Models)
    async with client(app_with(database, *ROUTERS)) as api:
        yield api


async def test_a_row_is_named_by_its_lookup(api: httpx2.AsyncClient) -> None:
    """Every operation on a row finds it by the column, which its `Location` has, and by its key no more."""
    made = await api.post("/articles", json={"slug": "news"})
    assert (made.status_code, made.headers["location"]) == (201, "/articles/news")
    assert (await api.get("/articles/news")).json() == made.json()
    assert (await api.get(f"/articles/{made.json()['id']}")).status_code == 404
    assert (await api.put("/articles/news", json={"slug": "news", "title": "put"})).json()["title"] == "put"
    assert (await api.patch("/articles/news", json={"title": "patched"})).json()["title"] == "patched"
    assert (await api.patch("/articles", json=[{"slug": "news", "title": "x"}])).json()[0]["title"] == "x"
    assert (await api.delete("/articles/news")).status_code == 204
    assert (await api.get("/articles/news")).status_code == 404


async def test_a_row_may_get_another_name(api: httpx2.AsyncClient) -> None:
    """PATCH and PUT rename a row, and answer it by its new name; a name that is taken is a 409."""
    await api.post("/articles/bulk", json=[{"slug": "a"}, {"slug": "b"}])
    assert (await api.patch("/articles/a", json={"slug": "c"})).json()["slug"] == "c"
    assert (await api.get("/articles/a")).status_code == 404
    assert (await api.put("/articles/c", json={"slug": "d"})).json()["slug"] == "d"
    taken = await api.patch("/articles/d", json={"slug": "b"})
    assert (taken.status_code, taken.json()["fields"]) == (409, ["slug"])
    assert (await api.get("/articles/d")).status_code == 200
    await api.post("/counted", json={"slug": "v"})
    renamed = await api.patch("/counted/v", json={"slug": "w"}, headers={"If-Match": '"1"'})
    assert (renamed.headers["etag"], (await api.get("/counted/w")).headers["etag"]) == ('"2"', '"2"')


NAMES = ["plain", "a b", "Zürich", "日本", "🜁", "50%", "a+b", "a%2Fb", "?q=1", "#x", "a;b=c", "..a", "~", 'q"q', "a\\b"]


@pytest.mark.parametrize("name", NAMES, ids=ascii)
async def test_a_location_leads_to_the_row(api: httpx2.AsyncClient, name: str) -> None:
    """Whatever characters a name has, GET of the `Location` gives the row, and so do PATCH and DELETE."""
    made = await api.post("/articles", json={"slug": name})
    assert made.status_code == 201
    location = made.headers["location"]
    assert location == f"/articles/{quote(name, safe='')}"
    assert (await api.get(location)).json() == made.json()
    assert (await api.patch(location, json={"title": "x"})).json()["slug"] == name
    assert (await api.delete(location)).status_code == 204


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "/", "\0"], ids=ascii)
async def test_what_cannot_stand_in_a_path_is_no_name(api: httpx2.AsyncClient, name: str) -> None:
    """A name by which nobody could ask for the row is a 422, in derived schemas and in given ones."""
    await api.post("/articles", json={"slug": "a"})
    for method, path in (("POST", "/articles"), ("POST", "/loose"), ("PATCH", "/articles/a"), ("PUT", "/loose/a")):
        answer = await api.request(method, path, json={"slug": name})
        assert (answer.status_code, answer.json()["errors"][0]["loc"]) == (422, ["body", "slug"])
    assert (await api.post("/fares", json={"line": name, "day": "2024-01-01", "zone": 1})).status_code == 422


async def test_many_rows_are_named_by_their_lookup(api: httpx2.AsyncClient) -> None:
    """Bulk updates and deletions take the column in place of the key, and rename nothing."""
    await api.post("/articles/bulk", json=[{"slug": slug} for slug in "abc"])
    answer = await api.patch("/articles", json=[{"slug": "b", "title": "x"}, {"slug": "a", "title": "y"}])
    assert [(item["slug"], item["title"]) for item in answer.json()] == [("b", "x"), ("a", "y")]
    assert (await api.patch("/articles", json=[{"slug": "z", "title": "x"}])).status_code == 404
    assert (await api.delete("/articles?slug=a&slug=z")).status_code == 404
    assert (await api.delete("/articles?slug=a&slug=c")).status_code == 204
    assert [item["slug"] for item in (await api.get("/articles")).json()["items"]] == ["b"]


async def test_several_columns_name_a_row(api: httpx2.AsyncClient) -> None:
    """A composite key is as many segments of the path, in every operation, and in `Location`."""
    key: dict[str, Any] = {"line": "U 1", "day": "2024-02-29", "zone": -3}
    made = await api.post("/fares", json={**key, "price": 250})
    row = made.headers["location"]
    assert (made.status_code, row) == (201, "/fares/U%201/2024-02-29/-3")
    assert (await api.get(row)).json() == {**key, "price": 250, "sold": 0}
    assert (await api.patch(row, json={"sold": 2})).json() == {**key, "price": 250, "sold": 2}
    assert (await api.put(row, json={"price": 300})).json() == {**key, "price": 300, "sold": 0}
    assert (await api.patch("/fares", json=[{**key, "sold": 1}])).json() == [{**key, "price": 300, "sold": 1}]
    repeated = await api.post("/fares", json=key)
    assert (repeated.status_code, repeated.json()["fields"]) == (409, ["line", "day", "zone"])
    assert (await api.delete(row)).status_code == 204
    assert (await api.get(row)).status_code == 404


async def test_each_part_of_a_key_is_looked_at(api: httpx2.AsyncClient) -> None:
    """Another value in any segment is another row, a segment too few no path, and one that is no value a 422."""
    await api.post("/fares", json={"line": "U1", "day": "2024-01-01", "zone": 1})
    for other in ("U2/2024-01-01/1", "U1/2024-01-02/1", "U1/2024-01-01/2"):
        assert (await api.get(f"/fares/{other}")).status_code == 404
        assert (await api.delete(f"/fares/{other}")).status_code == 404
    assert (await api.get("/fares/U1/2024-01-01")).status_code == 404
    for wrong, name in (("U1/yesterday/1", "day"), ("U1/2024-01-01/x", "zone"), ("U1/2024-01-01/99999999999", "zone")):
        answer = await api.get(f"/fares/{wrong}")
        assert (answer.status_code, answer.json()["errors"][0]["loc"]) == (422, ["path", name])


async def test_a_row_keeps_its_key(api: httpx2.AsyncClient) -> None:
    """Neither PATCH nor PUT takes a column of the key."""
    await api.post("/fares", json={"line": "U1", "day": "2024-01-01", "zone": 1})
    for method in ("PATCH", "PUT"):
        answer = await api.request(method, "/fares/U1/2024-01-01/1", json={"zone": 2})
        assert (answer.status_code, answer.json()["errors"][0]["loc"]) == (422, ["body", "zone"])


async def test_lists_end_even_where_keys_are_several(api: httpx2.AsyncClient) -> None:
    """Pages over rows of the same sort key have each row once, as all columns of the key break ties."""
    keys = [
        {"line": line, "day": f"2024-01-0{day}", "zone": zone} for line in "ab" for day in (1, 2) for zone in (1, 2)
    ]
    assert (await api.post("/fares/bulk", json=keys)).status_code == 201
    url, seen = "/fares?sort=-price&limit=3", list[Any]()
    while url:
        page = (await api.get(url)).json()
        seen += page["items"]
        url = f"/fares?sort=-price&limit=3&cursor={page['next_cursor']}" if page["next_cursor"] else ""
    assert sorted((item["line"], item["day"], item["zone"]) for item in seen) == [tuple(key.values()) for key in keys]
