"""Columns that the server writes, values that the database computes, and traits that no column can have."""

from collections.abc import AsyncGenerator, Mapping
from typing import Any

import httpx2
import pytest
import sqlalchemy as sa
from fastapi import Depends, Request
from pydantic import BaseModel
from sqlalchemy.orm import DeclarativeBase, Mapped, column_property, mapped_column

from fastapi_kit.crud import RANGE, CRUDRouter, OperationName, Query, ResourceError, Stamp, Version, set_principal
from fastapi_kit.crud._traits import WriteName
from fastapi_kit.db import HIDDEN, Database, SoftDelete
from fastapi_kit.testing import client
from tests.crud.library import app_with, create_tables, store

pytestmark = pytest.mark.anyio


class Models(DeclarativeBase):
    """A registry for these tests alone."""


class Task(Models):
    """A row of someone, whom the server tells."""

    __tablename__ = "task"
    id: Mapped[int] = mapped_column(primary_key=True)
    title: Mapped[str] = mapped_column(sa.String(20))
    owner: Mapped[str] = mapped_column(sa.String(9))
    changed_by: Mapped[str | None] = mapped_column(sa.String(9))
    secret: Mapped[str | None] = mapped_column(sa.String(9), info=HIDDEN)


class Order(Models):
    """A row with a value that the database computes from the others."""

    __tablename__ = "order"
    id: Mapped[int] = mapped_column(primary_key=True)
    price: Mapped[int] = mapped_column(sa.Integer)
    amount: Mapped[int] = mapped_column(sa.Integer, default=1)
    value: Mapped[int] = column_property(price * amount)


class Customer(Models):
    """A row that counts others."""

    __tablename__ = "customer"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(sa.String(9))
    version: Mapped[int] = mapped_column(default=1)


class Visit(Models):
    """What is counted."""

    __tablename__ = "visit"
    id: Mapped[int] = mapped_column(primary_key=True)
    customer_id: Mapped[int] = mapped_column(sa.ForeignKey("customer.id", ondelete="CASCADE"))


_visits = sa.select(sa.func.count(Visit.id)).where(Visit.customer_id == Customer.id).correlate_except(Visit)
sa.inspect(Customer).add_property("visits", column_property(_visits.scalar_subquery()))


async def as_user(request: Request) -> None:
    """Say who asks."""
    if name := request.headers.get("x-user"):
        set_principal(request, name)


CHANGED: frozenset[WriteName] = frozenset({"create", "replace", "update"})
ALL: set[OperationName] = {"list", "get", "create", "replace", "update", "delete", "create_many", "update_many"}
ROUTERS = (
    CRUDRouter(
        Task,
        prefix="/tasks",
        stamp={"owner": str, "changed_by": Stamp(str.upper, on=CHANGED), "secret": lambda name: f"of {name}"},
        dependencies={"*": [Depends(as_user)]},
    ),
    CRUDRouter(Order, prefix="/orders", routes=ALL, query=Query(filter={"value": RANGE}, sort={"value", "price"})),
    CRUDRouter(
        Customer,
        prefix="/customers",
        routes=ALL,
        version=Version(required=False),
        query=Query(filter={"visits": RANGE}, sort={"visits"}),
    ),
)


@pytest.fixture
async def api(database: Database) -> AsyncGenerator[httpx2.AsyncClient]:
    """A client of the app."""
    await create_tables(database, Models)
    async with client(app_with(database, *ROUTERS)) as api:
        yield api


ADA, BOB = {"x-user": "ada"}, {"x-user": "bob"}


async def test_the_server_tells_who_writes(api: httpx2.AsyncClient, database: Database) -> None:
    """A stamp is made from the principal, hidden or not, on the operations that it is for, and stays on others."""
    made = await api.post("/tasks", json={"title": "a"}, headers=ADA)
    assert (made.json()["owner"], made.json()["changed_by"]) == ("ada", "ADA")
    row = made.headers["location"]
    for method in ("PATCH", "PUT"):
        answer = await api.request(method, row, json={"title": "b"}, headers=BOB)
        assert (answer.json()["owner"], answer.json()["changed_by"]) == ("ada", "BOB")
    assert (await api.patch(row, json={}, headers=ADA)).json()["changed_by"] == "BOB"
    assert await database.run(lambda connection: connection.scalar(sa.select(Task.secret))) == "of ada"


async def test_clients_do_not_write_stamps(api: httpx2.AsyncClient) -> None:
    """A body with a stamped column is a 422 in every operation, also in those that do not stamp it."""
    row = (await api.post("/tasks", json={"title": "a"}, headers=ADA)).headers["location"]
    for method, url in (("POST", "/tasks"), ("PUT", row), ("PATCH", row)):
        for column in ("owner", "changed_by", "secret"):
            answer = await api.request(method, url, json={"title": "b", column: "eve"}, headers=ADA)
            assert (answer.status_code, answer.json()["errors"][0]["loc"]) == (422, ["body", column])


async def test_nobody_writes_no_stamps(api: httpx2.AsyncClient) -> None:
    """A request of which nobody has said who makes it is a 401."""
    assert (await api.post("/tasks", json={"title": "a"})).status_code == 401


async def test_a_computed_value_is_answered_by_every_write(api: httpx2.AsyncClient) -> None:
    """POST, PATCH, PUT and bulk writes answer what the database computes from what they have written."""
    made = await api.post("/orders", json={"price": 3, "amount": 4})
    assert made.json() == {"id": 1, "price": 3, "amount": 4, "value": 12}
    assert (await api.get("/orders/1")).json() == made.json()
    assert (await api.patch("/orders/1", json={"amount": 5})).json()["value"] == 15
    assert (await api.put("/orders/1", json={"price": 7})).json()["value"] == 7
    assert [it["value"] for it in (await api.post("/orders/bulk", json=[{"price": 2}, {"price": 1}])).json()] == [2, 1]
    assert (await api.patch("/orders", json=[{"id": 1, "amount": 0}])).json()[0]["value"] == 0


async def test_a_value_computed_from_other_rows_is_answered_by_every_write(
    api: httpx2.AsyncClient, database: Database
) -> None:
    """What a subquery tells is right in the answer of each write, too, though no RETURNING can have it everywhere."""
    made = (await api.post("/customers/bulk", json=[{"name": "a"}, {"name": "b"}])).json()
    assert [(item["name"], item["visits"]) for item in made] == [("a", 0), ("b", 0)]
    await store(database, Visit, *({"customer_id": made[0]["id"]} for _ in range(3)))
    row = f"/customers/{made[0]['id']}"
    assert (await api.get(row)).json()["visits"] == 3
    patched = await api.patch(row, json={"name": "x"})
    assert (patched.json()["visits"], patched.json()["name"], patched.headers["etag"]) == (3, "x", '"2"')
    assert (await api.put(row, json={"name": "y"}, headers={"If-Match": '"2"'})).json()["visits"] == 3
    assert (await api.put(row, json={"name": "z"}, headers={"If-Match": '"2"'})).status_code == 412
    assert (await api.patch("/customers", json=[{"id": made[0]["id"], "name": "z"}])).json()[0]["visits"] == 3
    assert (await api.post("/customers", json={"name": "c"})).json()["visits"] == 0
    assert (await api.patch("/customers/99", json={"name": "z"})).status_code == 404


@pytest.mark.parametrize("path", ["/orders", "/customers"], ids=["expression", "subquery"])
async def test_a_computed_value_is_filtered_and_sorted_by(
    api: httpx2.AsyncClient, database: Database, path: str
) -> None:
    """Lists filter and sort by a computed value, and page by cursor over it."""
    name, body = ("value", {"price": 1}) if path == "/orders" else ("visits", {"name": "a"})
    for number in (2, 0, 3, 1, 2):
        made = (await api.post(path, json=body)).json()["id"]
        if path == "/orders":
            await api.patch(f"{path}/{made}", json={"amount": number})
        else:
            await store(database, Visit, *({"customer_id": made} for _ in range(number)))
    many = (await api.get(f"{path}?{name}__gte=2&sort=-{name}&count=exact")).json()
    assert ([item[name] for item in many["items"]], many["total"]) == ([3, 2, 2], 3)
    seen, cursor = list[int](), ""
    while cursor is not None:
        page = (await api.get(f"{path}?sort={name}&limit=2{cursor and f'&cursor={cursor}'}")).json()
        seen += [item[name] for item in page["items"]]
        cursor = page["next_cursor"]
    assert seen == [0, 1, 2, 2, 3]


async def test_clients_do_not_write_computed_values(api: httpx2.AsyncClient) -> None:
    """A body with a computed value is a 422."""
    for answer in (
        await api.post("/orders", json={"price": 1, "value": 1}),
        await api.patch("/orders/1", json={"value": 1}),
        await api.post("/customers", json={"name": "a", "visits": 1}),
    ):
        assert (answer.status_code, answer.json()["errors"][0]["type"]) == (422, "extra_forbidden")


class Plant(SoftDelete, Models):
    """A row most of whose columns cannot be what traits need."""

    __tablename__ = "plant"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(sa.String(20), unique=True)
    nick: Mapped[str | None] = mapped_column(sa.String(20), unique=True)
    latin: Mapped[str] = mapped_column(sa.String(20))
    bed: Mapped[int] = mapped_column()
    data: Mapped[dict[str, Any]] = mapped_column(sa.JSON)
    hidden: Mapped[str] = mapped_column(sa.String(20), default="", unique=True, info=HIDDEN)
    height: Mapped[int | None]
    count: Mapped[int] = mapped_column(default=1)
    double: Mapped[int] = column_property(count * 2)
    __table_args__ = (
        sa.UniqueConstraint("bed", "latin"),
        sa.Index("latin_in_use", "latin", unique=True, postgresql_where=sa.text("deleted_at IS NULL")),
    )


class Cell(Models):
    """A row with two keys."""

    __tablename__ = "cell"
    x: Mapped[int] = mapped_column(primary_key=True)
    y: Mapped[int] = mapped_column(primary_key=True)


class Named(BaseModel):
    """A body with columns that traits are about."""

    name: str
    latin: str
    bed: int
    data: dict[str, Any]
    count: int = 1


PARENT = {"prefix": "/beds/{bed}/plants", "parent": "bed"}
IMPOSSIBLE: Mapping[str, tuple[dict[str, Any], str]] = {
    "lookup-of-no-column": ({"lookup": "nam"}, "'nam' is no column of Plant, which has bed, count, data"),
    "lookup-computed": ({"lookup": "double"}, "'double' is no column of Plant"),
    "lookup-not-unique": ({"lookup": "bed"}, "bed: rows are looked up by a column that is unique among all of them"),
    "lookup-partly-unique": ({"lookup": "latin"}, "latin: rows are looked up by a column that is unique among all"),
    "lookup-nullable": ({"lookup": "nick"}, "nick: .* unique among all of them and never null"),
    "lookup-hidden": ({"lookup": "hidden"}, "hidden: a hidden key leaves clients no way to name a row"),
    "version-of-no-column": ({"version": "versoin"}, "'versoin' is no column of Plant"),
    "version-of-text": ({"version": "name"}, "name: a version is a column of integers .* mixin Versioned has one"),
    "version-nullable": ({"version": "height"}, "height: a version is a column of integers that is never null"),
    "version-is-key": ({"version": "id"}, "id: a column that names rows cannot be version= as well"),
    "version-written": ({"version": "count", "create": Named}, "Named: the server writes count; give create= a schema"),
    "version-stamped": ({"version": "count", "stamp": {"count": len}}, "count stands in version= and stamp="),
    "soft-delete-of-no-column": ({"soft_delete": "deleted"}, "'deleted' is no column of Plant"),
    "soft-delete-of-number": ({"soft_delete": "height"}, "height: soft deletion needs a nullable column of instants"),
    "soft-delete-left-out": ({"soft_delete": None}, "Plant has SoftDelete, and a CRUDRouter would delete .* for good"),
    "soft-delete-stamped": ({"stamp": {"deleted_at": len}}, "deleted_at stands in soft_delete= and stamp="),
    "restore-without": ({"soft_delete": None, "routes": {"restore"}}, "'restore' in routes= needs soft_delete="),
    "parent-of-no-column": ({"prefix": "/{b}", "parent": "b"}, "'b' is no column of Plant"),
    "parent-not-in-prefix": ({"parent": "bed"}, r"parent='bed': the prefix must have the parameter \{bed\}"),
    "parent-document": ({"prefix": "/{data}", "parent": "data"}, "data: rows cannot be found by a key of type JSON"),
    "parent-is-key": ({"prefix": "/{id}", "parent": "id"}, "id: parent= leaves nothing to name a row by; give lookup="),
    "parent-is-lookup": ({"prefix": "/{name}", "parent": "name", "lookup": "name"}, "give lookup= another column"),
    "parent-stamped": ({**PARENT, "stamp": {"bed": len}}, "bed stands in parent= and stamp=: .* one part to play"),
    "parent-written": ({**PARENT, "create": Named}, "Named: the server writes bed; give create= a schema without it"),
    "stamp-of-no-column": ({"stamp": {"nobody": len}}, "'nobody' is no column of Plant"),
    "stamp-computed": ({"stamp": {"double": len}}, "'double' is no column of Plant"),
    "stamp-of-key": ({"stamp": {"id": Stamp(len, on={"update"})}}, "id: a row keeps its key; stamp it on={'create'}"),
    "stamp-written": ({"stamp": {"latin": len}, "create": Named}, "Named: the server writes latin"),
    "delete-many-versions": ({"version": "count", "routes": {"delete_many"}}, "'delete_many' cannot name versions"),
}


@pytest.mark.parametrize(("traits", "message"), IMPOSSIBLE.values(), ids=IMPOSSIBLE)
def test_what_no_column_can_be_is_refused(traits: dict[str, Any], message: str) -> None:
    """A trait that cannot hold is refused when the router is made, with the column and the cure in the message."""
    arguments: dict[str, Any] = {"prefix": "/plants", "soft_delete": "deleted_at", **traits}
    with pytest.raises(ResourceError, match=message):
        CRUDRouter(Plant, **arguments)


def test_keys_of_several_columns_are_not_deleted_in_bulk() -> None:
    """`delete_many`, whose keys stand in the query, is refused where several values name a row."""
    with pytest.raises(ResourceError, match="'delete_many' takes keys of one value, and Cell is named by x, y"):
        CRUDRouter(Cell, routes={"delete_many"})
    assert len(CRUDRouter(Cell, prefix="/{x}", parent="x", routes={"delete_many"}).routes) == 1


@pytest.mark.parametrize("on", [set[str](), {"delete"}, {"create", "list"}], ids=["never", "delete", "list"])
def test_a_stamp_is_for_writes(on: Any) -> None:
    """A stamp on no operation, or on one that writes no values, is refused with the names of those that do."""
    with pytest.raises(ResourceError, match="is no set of create, replace, update"):
        Stamp(str, on=on)
