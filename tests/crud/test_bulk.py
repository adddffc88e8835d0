"""Bulk writes: many rows at once, all or none."""

import time
from collections.abc import AsyncGenerator
from datetime import datetime
from typing import Any

import httpx2
import pytest
import sqlalchemy as sa
from fastapi import Depends, Request
from pydantic import BaseModel, ConfigDict
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from fastapi_kit.crud import CRUDRouter, OperationName, Stamp, Version, of_principal, set_principal
from fastapi_kit.db import READ_ONLY, Database, UUIDKey, Versioned
from fastapi_kit.testing import client
from tests.crud.counting import Statements
from tests.crud.library import app_with, create_tables

pytestmark = pytest.mark.anyio


class Models(DeclarativeBase):
    """A registry for these tests alone."""


class Shelf(Models):
    """A row that others stand below; it belongs to someone."""

    __tablename__ = "shelf"
    id: Mapped[int] = mapped_column(primary_key=True)
    owner: Mapped[int] = mapped_column(default=1)


class Item(Models):
    """A row with every kind of default."""

    __tablename__ = "item"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(sa.String(20), unique=True)
    size: Mapped[int | None] = mapped_column(default=5)
    state: Mapped[str] = mapped_column(sa.String(9), server_default="new")
    shelf_id: Mapped[int | None] = mapped_column(sa.ForeignKey("shelf.id"))
    owner: Mapped[int] = mapped_column(default=1)
    changed_by: Mapped[int | None] = mapped_column(info=READ_ONLY)


class Event(Models):
    """A row that is named by what a client says."""

    __tablename__ = "event"
    at: Mapped[datetime] = mapped_column(sa.DateTime(timezone=True), primary_key=True)
    place: Mapped[str] = mapped_column(sa.String(9), primary_key=True)
    visitors: Mapped[int] = mapped_column(default=0)


class Page(UUIDKey, Versioned, Models):
    """A row with a version."""

    __tablename__ = "page"
    text: Mapped[str] = mapped_column(sa.String(20))


async def as_user(request: Request) -> None:
    """Say who asks."""
    set_principal(request, int(request.headers.get("x-user", "1")))


class Loose(BaseModel):
    """A body that takes more than the columns hold."""

    model_config = ConfigDict(extra="forbid")
    name: str
    size: int = 6


BULK: set[OperationName] = {"list", "get", "create_many", "update_many", "delete_many"}
ME: Any = of_principal(lambda user: user)
ROUTERS = (
    CRUDRouter(Item, prefix="/items", routes=BULK),
    CRUDRouter(Item, prefix="/large", routes=BULK, max_body_size=None),
    CRUDRouter(Item, prefix="/loose", routes=BULK, create=Loose),
    CRUDRouter(Event, prefix="/events", routes=BULK - {"delete_many"}),
    CRUDRouter(Page, prefix="/pages", routes=BULK - {"delete_many"}, version="version"),
    CRUDRouter(Page, prefix="/lenient", routes=BULK, version=Version(required=False)),
    CRUDRouter(Item, prefix="/shelves/{shelf_id}/items", routes=BULK, parent="shelf_id"),
    CRUDRouter(
        Item,
        prefix="/mine",
        routes=BULK,
        scope={Item: Item.owner == ME, Shelf: Shelf.owner == ME},
        dependencies={"*": [Depends(as_user)]},
    ),
    CRUDRouter(
        Item,
        prefix="/stamped",
        routes=BULK,
        stamp={"owner": lambda user: user, "changed_by": Stamp(lambda user: user, on={"create", "update"})},
        dependencies={"*": [Depends(as_user)]},
    ),
)


@pytest.fixture
async def api(database: Database) -> AsyncGenerator[httpx2.AsyncClient]:
    """A client of the app."""
    await create_tables(database, Models)
    async with client(app_with(database, *ROUTERS)) as api:
        yield api


async def names(api: httpx2.AsyncClient, path: str = "/items") -> list[str]:
    """The names of the stored items."""
    return [item["name"] for item in (await api.get(f"{path}?limit=100")).json()["items"]]


async def made(api: httpx2.AsyncClient, *names: str, **values: Any) -> list[int]:
    """The keys of new items."""
    answer = await api.post("/items/bulk", json=[{"name": name, **values} for name in names])
    assert answer.status_code == 201
    return [item["id"] for item in answer.json()]


def verbs(statements: Statements) -> list[str]:
    """What was done, but for the BEGIN that SQLite is told."""
    return [verb for statement in statements.take() if (verb := statement.split()[0]) != "BEGIN"]


async def test_many_are_made_in_their_order(api: httpx2.AsyncClient) -> None:
    """The answer has the rows as they were stored, each in the place of its body, whatever fields it has."""
    bodies: list[dict[str, Any]] = [
        {"name": "d"},
        {"name": "a", "size": None},
        {"name": "c", "size": 1},
        {"name": "b"},
        {"state": "old", "name": "e"},
    ]
    answer = await api.post("/items/bulk", json=bodies)
    assert answer.status_code == 201
    stored = [(item["name"], item["size"], item["state"]) for item in answer.json()]
    assert stored == [("d", 5, "new"), ("a", None, "new"), ("c", 1, "new"), ("b", 5, "new"), ("e", 5, "old")]
    for item in answer.json():
        assert (await api.get(f"/items/{item['id']}")).json() == item


MIXED: dict[str, tuple[list[dict[str, Any]], int]] = {
    "alike": ([{}] * 7, 1),
    "two-kinds": ([{}, {"size": 1}] * 3, 2),
    "four-kinds": ([{"size": 1}, {"state": "x"}, {}, {"state": "y", "size": 2}, {"size": 2, "state": "z"}], 4),
}


@pytest.mark.parametrize(("bodies", "expected"), MIXED.values(), ids=MIXED)
async def test_one_insert_for_each_set_of_columns(
    api: httpx2.AsyncClient, database: Database, bodies: list[dict[str, Any]], expected: int
) -> None:
    """Rows with the same fields are made by one INSERT, in whatever order they stand, all in one transaction."""
    statements = Statements(database)
    answer = await api.post("/items/bulk", json=[{**body, "name": f"n{place}"} for place, body in enumerate(bodies)])
    assert answer.status_code == 201
    assert verbs(statements) == ["INSERT"] * expected + ["COMMIT"]


@pytest.mark.parametrize(
    ("bad", "status", "told"),
    [
        ({"name": "a"}, 409, ["name"]),
        ({"name": "z", "shelf_id": 99}, 409, ["shelf_id"]),
        ({"name": "z" * 21}, 422, ["body", 2, "name"]),
        ({"name": "z", "colour": "red"}, 422, ["body", 2, "colour"]),
        ({"size": 1}, 422, ["body", 2, "name"]),
    ],
    ids=["not-unique", "refers-to-nothing", "too-long", "unknown-field", "incomplete"],
)
async def test_one_bad_row_and_none_is_made(
    api: httpx2.AsyncClient, bad: dict[str, Any], status: int, told: list[Any]
) -> None:
    """A row that is refused keeps all others from being made, and the answer tells its fault."""
    answer = await api.post("/items/bulk", json=[{"name": "a"}, {"name": "b"}, bad, {"name": "c"}])
    assert answer.status_code == status
    assert (answer.json()["fields"] if status == 409 else answer.json()["errors"][0]["loc"]) == told
    assert await names(api) == []


async def test_rows_named_by_clients_keep_their_order(api: httpx2.AsyncClient) -> None:
    """Rows with composite keys that clients choose come back in their order, also if a database writes keys anew."""
    bodies = [
        {"at": "2024-05-01T12:00:00+02:00", "place": "ü"},
        {"at": "2024-01-01T00:00:00Z", "place": "b"},
        {"at": "2024-05-01T10:00:00Z", "place": "a", "visitors": 3},
        {"at": "2024-01-01T00:00:00.000Z", "place": "a"},
    ]
    answer = await api.post("/events/bulk", json=bodies)
    assert answer.status_code == 201
    assert [item["place"] for item in answer.json()] == ["ü", "b", "a", "a"]
    assert [item["visitors"] for item in answer.json()] == [0, 0, 3, 0]


async def test_many_are_changed_in_their_order(api: httpx2.AsyncClient) -> None:
    """Each item writes the fields that it has; one without any answers the row as it is."""
    a, b, c = await made(api, "a", "b", "c")
    bodies: list[dict[str, Any]] = [{"id": c, "size": 1}, {"id": a, "name": "x", "size": None}, {"id": b}]
    answer = await api.patch("/items", json=bodies)
    assert answer.status_code == 200
    assert [(item["id"], item["name"], item["size"]) for item in answer.json()] == [
        (c, "c", 1),
        (a, "x", None),
        (b, "b", 5),
    ]


@pytest.mark.parametrize(
    ("bad", "status"),
    [({"id": 99, "size": 1}, 404), ({"name": "a"}, 409), ({"shelf_id": 99}, 409), ({"size": "x"}, 422)],
    ids=["absent", "not-unique", "refers-to-nothing", "malformed"],
)
async def test_one_bad_change_and_none_is_made(api: httpx2.AsyncClient, bad: dict[str, Any], status: int) -> None:
    """A change that is refused keeps all others from being made."""
    keys = await made(api, "a", "b", "c")
    bodies = [{"id": keys[0], "size": 1}, {"id": keys[1], **bad}, {"id": keys[2], "size": 1}]
    assert (await api.patch("/items", json=bodies)).status_code == status
    assert [item["size"] for item in (await api.get("/items")).json()["items"]] == [5, 5, 5]


async def test_a_row_is_changed_once(api: httpx2.AsyncClient) -> None:
    """A key that stands in two items is a 422 at the second, as no order between them is meant."""
    (key,) = await made(api, "a")
    answer = await api.patch("/items", json=[{"id": key, "size": 1}, {"id": key, "size": 2}])
    assert (answer.status_code, answer.json()["errors"][0]["loc"]) == (422, ["body", 1])
    event = {"at": "2024-05-01T12:00:00+02:00", "place": "a"}
    answer = await api.patch("/events", json=[event, {**event, "at": "2024-05-01T10:00:00Z"}])
    assert answer.status_code == 422


async def test_many_are_deleted(api: httpx2.AsyncClient) -> None:
    """The rows of all keys are gone, a key that is repeated counting once; an absent one and all are still there."""
    a, b, c = await made(api, "a", "b", "c")
    assert (await api.delete(f"/items?id={a}&id=99&id={b}")).status_code == 404
    assert await names(api) == ["a", "b", "c"]
    assert (await api.delete(f"/items?id={a}&id={b}&id={a}")).status_code == 204
    assert await names(api) == ["c"]
    for query in ("", "?id=", "?id=x", f"?id={c}&force=1", f"?name=c&id={c}", f"?id={2**40}"):
        assert (await api.delete(f"/items{query}")).status_code == 422
    assert await names(api) == ["c"]


async def test_a_thousand_rows_and_no_more(api: httpx2.AsyncClient, database: Database) -> None:
    """1,000 rows are made by one INSERT, changed and deleted; none, or 1,001, are a 422."""
    bodies = [{"name": f"n{number}"} for number in range(1_001)]
    for wrong in ([], bodies):
        answer = await api.post("/items/bulk", json=wrong)
        assert (answer.status_code, answer.json()["errors"][0]["loc"]) == (422, ["body"])
    statements = Statements(database)
    answer = await api.post("/items/bulk", json=bodies[:1_000])
    assert verbs(statements) == ["INSERT", "COMMIT"]
    stored = answer.json()
    assert [item["name"] for item in stored] == [body["name"] for body in bodies[:1_000]]
    changes = [{"id": item["id"], "size": 9} for item in stored]
    assert (await api.patch("/items", json=[*changes, {"id": 0}])).status_code == 422
    assert {item["size"] for item in (await api.patch("/items", json=changes)).json()} == {9}
    keys = "&".join(f"id={item['id']}" for item in stored)
    assert (await api.delete(f"/items?{keys}&id=0")).status_code == 422
    assert (await api.delete(f"/items?{keys}")).status_code == 204
    assert await names(api) == []


@pytest.mark.parametrize("item", ["{}", "0", '{"name":1}', '{"":0}', "[]"])
@pytest.mark.parametrize("method", ["POST", "PATCH"])
async def test_a_hostile_list_is_refused_at_once(api: httpx2.AsyncClient, method: str, item: str) -> None:
    """A megabyte of bad items is a 413, or where that much is taken, a small 422, and neither takes long."""
    body = "[" + ",".join([item] * (1_000_000 // (len(item) + 1))) + "]"
    headers = {"content-type": "application/json"}
    for path, status in (("/items", 413), ("/large", 422)):
        begin = time.process_time()
        answer = await api.request(method, path + "/bulk" * (method == "POST"), content=body, headers=headers)
        assert (answer.status_code, time.process_time() - begin < 1) == (status, True)
        assert len(answer.content) < 1_000


async def test_versions_are_counted_and_compared_by_item(api: httpx2.AsyncClient) -> None:
    """Each item of an update has the version that is meant; one that is another's makes all of them a 412."""
    a, b = (await api.post("/pages/bulk", json=[{"text": "a"}, {"text": "b"}])).json()
    assert (a["version"], b["version"]) == (1, 1)
    both = [{"id": a["id"], "version": 1, "text": "x"}, {"id": b["id"], "version": 1, "text": "y"}]
    assert [item["version"] for item in (await api.patch("/pages", json=both)).json()] == [2, 2]
    stale = [{**both[0], "version": 2}, both[1]]
    assert (await api.patch("/pages", json=stale)).status_code == 412
    assert (await api.patch("/pages", json=[{"id": b["id"], "version": 1}])).status_code == 412
    assert (await api.get(f"/pages/{a['id']}")).json()["version"] == 2
    missing = await api.patch("/pages", json=[{"id": a["id"], "text": "x"}])
    assert (missing.status_code, missing.json()["errors"][0]["loc"]) == (422, ["body", 0, "version"])
    assert (await api.patch("/lenient", json=[{"id": a["id"], "text": "x"}])).json()[0]["version"] == 3
    assert (await api.delete(f"/lenient?id={a['id']}&id={b['id']}")).status_code == 204


async def test_rows_are_made_below_their_parent(api: httpx2.AsyncClient, database: Database) -> None:
    """Rows below a parent refer to it, changes and deletions of others' are 404, and so is an absent parent."""
    await database.run(lambda connection: connection.execute(sa.insert(Shelf), [{"id": 1}, {"id": 2}]))
    answer = await api.post("/shelves/1/items/bulk", json=[{"name": "a"}, {"name": "b"}])
    assert [item["shelf_id"] for item in answer.json()] == [1, 1]
    key = answer.json()[0]["id"]
    assert (await api.patch("/shelves/2/items", json=[{"id": key, "size": 1}])).status_code == 404
    assert (await api.delete(f"/shelves/2/items?id={key}")).status_code == 404
    assert (await api.patch("/shelves/1/items", json=[{"id": key, "size": 1}])).status_code == 200
    assert (await api.post("/shelves/9/items/bulk", json=[{"name": "c"}])).status_code == 404
    assert (await api.post("/shelves/1/items/bulk", json=[{"name": "c", "shelf_id": 2}])).status_code == 422
    assert await names(api) == ["a", "b"]


async def test_every_row_is_in_scope(api: httpx2.AsyncClient, database: Database) -> None:
    """One row out of scope, or that would be or that refers to such a one, and nothing is done."""
    await database.run(lambda c: c.execute(sa.insert(Shelf), [{"id": 1, "owner": 1}, {"id": 2, "owner": 2}]))
    (foreign,) = await made(api, "foreign", owner=2)
    (own,) = await made(api, "own", owner=1)
    good: dict[str, Any] = {"name": "good", "owner": 1, "shelf_id": 1}
    for bad, status in (({"owner": 2}, 403), ({"shelf_id": 2}, 409)):
        assert (await api.post("/mine/bulk", json=[good, {**good, "name": "bad", **bad}])).status_code == status
        assert (await api.patch("/mine", json=[{"id": own, "size": 1, **bad}])).status_code == status
    mine = {"id": own, "size": 1}
    assert (await api.patch("/mine", json=[mine, {"id": foreign, "size": 1}])).status_code == 404
    assert (await api.delete(f"/mine?id={own}&id={foreign}")).status_code == 404
    assert await names(api) == ["foreign", "own"]
    assert (await api.get(f"/items/{own}")).json()["size"] == 5
    assert (await api.post("/mine/bulk", json=[good])).status_code == 201
    assert (await api.delete(f"/mine?id={own}")).status_code == 204


async def test_the_server_writes_its_columns_of_every_row(api: httpx2.AsyncClient) -> None:
    """Stamps are those of whoever makes and changes each row, and no body has them."""
    answer = await api.post("/stamped/bulk", json=[{"name": "a"}, {"name": "b"}], headers={"x-user": "7"})
    assert [(item["owner"], item["changed_by"]) for item in answer.json()] == [(7, 7), (7, 7)]
    changes = [{"id": item["id"], "size": 1} for item in answer.json()]
    answer = await api.patch("/stamped", json=changes, headers={"x-user": "8"})
    assert [(item["owner"], item["changed_by"]) for item in answer.json()] == [(7, 8), (7, 8)]
    assert (await api.post("/stamped/bulk", json=[{"name": "c", "owner": 1}])).status_code == 422
    assert (await api.patch("/stamped", json=[{**changes[0], "changed_by": 1}])).status_code == 422


async def test_a_given_schema_may_be_looser_than_its_columns(api: httpx2.AsyncClient) -> None:
    """What a given schema lets through and a column cannot hold is a 422 that names the item."""
    answer = await api.post("/loose/bulk", json=[{"name": "a"}, {"name": "b", "size": 1}])
    assert [item["size"] for item in answer.json()] == [6, 1]
    for method, path, item in (
        ("POST", "/loose/bulk", {"name": "c", "size": 2**31}),
        ("POST", "/loose/bulk", {"name": "c" * 21}),
        ("PATCH", "/loose", {"id": answer.json()[1]["id"], "size": 2**31}),
    ):
        good = {"name": "z"} if method == "POST" else {"id": answer.json()[0]["id"], "size": 3}
        refused = await api.request(method, path, json=[good, item])
        assert (refused.status_code, refused.json()["errors"][0]["loc"][:2]) == (422, ["body", 1])
    assert [item["size"] for item in (await api.get("/items")).json()["items"]] == [6, 1]
