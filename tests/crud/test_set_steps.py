"""Many rows by one statement: what it does is what a statement for each row would do."""

import asyncio
import random
from collections.abc import AsyncGenerator, Mapping, Sequence
from itertools import count
from typing import Any

import httpx2
import pytest
import sqlalchemy as sa
from fastapi import Depends, Request
from pydantic import TypeAdapter
from sqlalchemy import event
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from fastapi_kit.crud import CRUDRouter, OperationName, SoftDeletion, Stamp, Version, set_principal
from fastapi_kit.crud._keys import deciding_uniqueness, is_exact
from fastapi_kit.crud._values import chunks
from fastapi_kit.db import Base, Database, SoftDelete, Timestamps, Versioned
from fastapi_kit.testing import client
from tests.crud.counting import Statements
from tests.crud.library import TYPES, VALUES, Everything, app_with, create_tables

pytestmark = pytest.mark.anyio


class Models(DeclarativeBase):
    """A registry for these tests alone."""

    metadata = sa.MetaData(naming_convention=Base.metadata.naming_convention)
    type_annotation_map = Base.type_annotation_map


numbers = count(1)


class Node(Models):
    """A row of a tree; its `mark` is another one for each row that is written."""

    __tablename__ = "node"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(sa.String(20), unique=True)
    size: Mapped[int | None]
    parent_id: Mapped[int | None] = mapped_column(sa.ForeignKey("node.id"))
    mark: Mapped[int | None] = mapped_column(onupdate=lambda: next(numbers))


def length_of_text(context: Any) -> int:
    """Computed from what is written."""
    return len(context.get_current_parameters()["text"])


class Draft(Models):
    """A row whose column is computed from what its UPDATE writes."""

    __tablename__ = "draft"
    id: Mapped[int] = mapped_column(primary_key=True)
    text: Mapped[str] = mapped_column(sa.String(20))
    length: Mapped[int | None] = mapped_column(onupdate=length_of_text)


class Page(SoftDelete, Timestamps, Versioned, Models):
    """A row with all that the server writes."""

    __tablename__ = "page"
    code: Mapped[str] = mapped_column(sa.String(20), primary_key=True)
    text: Mapped[str] = mapped_column(sa.String(20))
    note: Mapped[str | None] = mapped_column(sa.String(20))
    editor: Mapped[int | None]


WIDE = 40


class Wide(Models):
    """A row of so many columns that a thousand of them have more values than a statement takes."""

    __table__ = sa.Table(
        "wide",
        Models.metadata,
        sa.Column("id", sa.Integer, primary_key=True),
        *(sa.Column(f"c{number}", sa.Integer) for number in range(WIDE)),
    )


async def as_user(request: Request) -> None:
    """Say who asks."""
    set_principal(request, 7)


BULK: set[OperationName] = {"list", "get", "update", "create_many", "update_many", "delete_many"}
STAMP: Mapping[str, Any] = {"editor": Stamp(lambda user: user, on={"update"})}
ROUTERS = (
    CRUDRouter(Node, prefix="/nodes", routes=BULK),
    CRUDRouter(Draft, prefix="/drafts", routes=BULK),
    CRUDRouter(Wide, prefix="/wide", routes=BULK, max_body_size=None),
    CRUDRouter(
        Page,
        prefix="/pages",
        routes={*BULK, "restore"},
        version=Version(required=False),
        soft_delete=SoftDeletion(visible_to=lambda _: True),
        stamp=STAMP,
        dependencies={"*": [Depends(as_user)]},
    ),
    CRUDRouter(Everything, prefix="/everything", routes=BULK),
)


@pytest.fixture
async def api(database: Database) -> AsyncGenerator[httpx2.AsyncClient]:
    """A client of the app."""
    await create_tables(database, Models)
    await create_tables(database)
    async with client(app_with(database, *ROUTERS)) as api:
        yield api


async def made(api: httpx2.AsyncClient, path: str, bodies: Sequence[Mapping[str, Any]]) -> list[Any]:
    """New rows."""
    answer = await api.post(f"{path}/bulk", json=bodies)
    assert answer.status_code == 201, answer.text
    rows: list[Any] = answer.json()
    return rows


async def writes(api: httpx2.AsyncClient, statements: Statements, method: str, path: str, body: Any = None) -> Any:
    """How many statements write what a request asks for, and its answer."""
    statements.take()
    answer = await api.request(method, path, json=body)
    words = [word for statement in statements.take() if (word := _verb(statement)) not in {"BEGIN", "COMMIT"}]
    return words, answer


def _verb(statement: str) -> str:
    return next(it for it in ("UPDATE", "DELETE", "INSERT", "SELECT", "BEGIN", "COMMIT") if it in statement.upper())


def json_of(values: Mapping[str, Any]) -> dict[str, Any]:
    """Values as clients send them."""
    written: dict[str, Any] = TypeAdapter(dict[str, Any]).dump_python(dict(values), mode="json")
    return written


async def test_values_of_every_type(api: httpx2.AsyncClient, database: Database) -> None:
    """A value of each type, and a null of each, is stored as by a request for one row."""
    whole = json_of(VALUES)
    other = {f"{name}_or_null": value for name, value in whole.items()}
    nothing = {f"{name}_or_null": None for name in TYPES}
    rows = await made(api, "/everything", [whole | nothing] * 4)
    expected: list[dict[str, Any]] = []
    for row, body in zip(rows[:2], (other, nothing), strict=True):
        answer = await api.patch(f"/everything/{row['id']}", json=body)
        expected.append({**answer.json(), "id": 0})
    for bodies in ([other, nothing], [nothing, nothing], [other, other]):
        items = [{"id": row["id"], **body} for row, body in zip(rows[2:], bodies, strict=True)]
        words, answer = await writes(api, Statements(database), "PATCH", "/everything", items)
        assert words == ["UPDATE"]
        wanted = [expected[body is nothing] for body in bodies]
        assert [{**item, "id": 0} for item in answer.json()] == wanted
    stored = sa.select(*(sa.cast(it, sa.Text) for it in Everything.__table__.columns if "null" in it.name))
    one, two, three, four = await database.run(lambda c: c.execute(stored.order_by(Everything.__table__.c.id)).all())
    assert (one == three == four, two == one) == (True, False)


@pytest.mark.parametrize("seed", range(6))
async def test_the_same_as_one_by_one(api: httpx2.AsyncClient, seed: int) -> None:
    """Law: a bulk update answers and stores what its items would, were they sent one by one, in any mixture."""
    chance = random.Random(seed)  # noqa: S311 - a law's examples
    codes = [f"{twin}{number}" for twin in "ab" for number in range(20)]
    rows = await made(api, "/pages", [{"code": code, "text": "t", "note": "n"} for code in codes])
    since = {row["code"]: row["updated_at"] for row in rows}
    choices: dict[str, Sequence[Any]] = {"text": ["x", "y"], "note": ["z", None], "version": [1]}
    items: list[dict[str, Any]] = []
    for number in chance.sample(range(20), 12):
        fields = [field for field in choices if chance.random() < 0.5]
        items.append({"code": f"a{number}", **{field: chance.choice(choices[field]) for field in fields}})
    answer = await api.patch("/pages", json=items)
    assert answer.status_code == 200
    for item, together in zip(items, answer.json(), strict=True):
        twin = "b" + item["code"][1:]
        headers = {"If-Match": f'"{item["version"]}"'} if "version" in item else {}
        body = {name: value for name, value in item.items() if name not in {"code", "version"}}
        alone = (await api.patch(f"/pages/{twin}", json=body, headers=headers)).json()
        assert together["code"] == item["code"]
        for row in (alone, together):
            assert (row["updated_at"] > since[row["code"]]) is bool(body)
            row.update(code="", created_at="", updated_at="")
        assert together == alone
    untouched = {f"a{number}" for number in range(20)} - {item["code"] for item in items}
    for code in untouched:
        assert (await api.get(f"/pages/{code}")).json()["version"] == 1


async def test_the_order_of_keys_is_not_that_of_the_answer(api: httpx2.AsyncClient) -> None:
    """Rows are written in the order of their keys and answered in that of the request."""
    rows = await made(api, "/nodes", [{"name": f"n{number}"} for number in range(9)])
    keys = [row["id"] for row in rows]
    random.Random(1).shuffle(keys)  # noqa: S311 - any order
    answer = await api.patch("/nodes", json=[{"id": key, "size": key} for key in keys])
    assert [(item["id"], item["size"]) for item in answer.json()] == [(key, key) for key in keys]


@pytest.mark.postgres
async def test_opposite_orders_do_not_block_each_other(postgres: Database) -> None:
    """Bulk updates of the same rows in opposite orders are all done, as each looks the rows up in the same one."""

    def look_up(connection: Any, _record: object) -> None:
        cursor = connection.cursor()
        for plan in ("hashjoin", "mergejoin", "seqscan", "bitmapscan"):
            cursor.execute(f"SET enable_{plan} = off")
        cursor.close()

    event.listen(postgres.connections.resting.sync_engine, "connect", look_up)
    await create_tables(postgres, Models)
    async with client(app_with(postgres, *ROUTERS)) as api:
        rows = await made(api, "/nodes", [{"name": f"n{number}"} for number in range(200)])
        items = [{"id": row["id"], "size": 1} for row in rows]
        answers = await asyncio.gather(*(api.patch("/nodes", json=items[:: 1 - n % 2 * 2]) for n in range(12)))
    assert {answer.status_code for answer in answers} == {200}


async def test_a_function_is_called_for_each_row(api: httpx2.AsyncClient, database: Database) -> None:
    """What a function makes for each UPDATE is another value for each row; one that asks for the row is given it."""
    rows = await made(api, "/nodes", [{"name": name} for name in "abc"])
    items = [{"id": row["id"], "size": 1} for row in rows]
    words, answer = await writes(api, Statements(database), "PATCH", "/nodes", items)
    assert (words, len({item["mark"] for item in answer.json()})) == (["UPDATE"], 3)
    drafts = await made(api, "/drafts", [{"text": "?"}, {"text": "?"}])
    items = [{"id": row["id"], "text": "x" * row["id"]} for row in drafts]
    words, answer = await writes(api, Statements(database), "PATCH", "/drafts", items)
    assert words == ["UPDATE", "UPDATE"]
    assert [item["length"] for item in answer.json()] == [row["id"] for row in drafts]


async def test_a_value_that_another_row_gives_up(api: httpx2.AsyncClient) -> None:
    """A unique value passes from row to row in the order of the request, whatever other fields the items have."""
    a, b, c = (row["id"] for row in await made(api, "/nodes", [{"name": name} for name in "abc"]))
    items = [{"id": c, "name": "d"}, {"id": b, "name": "c", "size": 1}, {"id": a, "name": "b"}]
    answer = await api.patch("/nodes", json=items)
    assert (answer.status_code, [item["name"] for item in answer.json()]) == (200, ["d", "c", "b"])
    answer = await api.patch("/nodes", json=[{"id": a, "name": "c"}, {"id": b, "name": "e"}])
    assert (answer.status_code, answer.json()["fields"]) == (409, ["name"])


async def test_more_values_than_a_statement_takes(api: httpx2.AsyncClient, database: Database) -> None:
    """A thousand rows of forty columns are changed by two statements."""
    rows = await made(api, "/wide", [{"c0": 0}] * 1_000)
    items = [{"id": row["id"], **{f"c{n}": row["id"] for n in range(WIDE)}} for row in rows]
    words, answer = await writes(api, Statements(database), "PATCH", "/wide", items)
    assert (answer.status_code, words) == (200, ["UPDATE", "UPDATE"])
    assert answer.json() == items


def test_chunks() -> None:
    """All of the rows come once, in order, and none of the chunks has more parameters than a statement takes."""
    rows = range(1_000)
    for width in (1, 33, 41, 50_000):
        found = list(chunks(rows, width))
        assert [row for some in found for row in some] == list(rows)
        assert all(len(some) * width <= 32_766 or len(some) == 1 for some in found)


async def test_the_problem_tells_which_rows(api: httpx2.AsyncClient) -> None:
    """A 404 has the places of all rows that are absent, a 412 of all that have changed; nothing is written."""
    await made(api, "/pages", [{"code": code, "text": "t"} for code in "abc"])
    await api.patch("/pages/c", json={"text": "other"})
    item = {"text": "x", "version": 1}
    for order, status, places in (("axcyb", 404, [1, 3]), ("acxb", 412, [1])):
        answer = await api.patch("/pages", json=[{"code": code, **item} for code in order])
        assert (answer.status_code, answer.json()["items"]) == (status, places)
    mixed = [{"code": "a", "text": "x"}, {"code": "a2"}, {"code": "b", **item}, {"code": "c", **item}]
    answer = await api.patch("/pages", json=[mixed[0], *mixed[2:]])
    assert (answer.status_code, answer.json()["items"]) == (412, [2])
    answer = await api.patch("/pages", json=mixed[:2])
    assert (answer.status_code, answer.json()["items"]) == (404, [1])
    answer = await api.delete("/pages?code=a&code=x&code=b&code=y")
    assert (answer.status_code, answer.json()["items"]) == (404, [1, 3])
    assert [row["text"] for row in (await api.get("/pages?sort=code")).json()["items"]] == ["t", "t", "other"]


async def test_soft_deletion_of_many(api: httpx2.AsyncClient, database: Database) -> None:
    """One statement puts many rows out of use, of which the versions and the time stamps tell."""
    await made(api, "/pages", [{"code": code, "text": "t"} for code in "abcd"])
    words, answer = await writes(api, Statements(database), "DELETE", "/pages?code=c&code=a&code=b")
    assert (answer.status_code, words) == (204, ["UPDATE"])
    deleted = (await api.get("/pages?deleted=only&sort=code")).json()["items"]
    assert [row["code"] for row in deleted] == ["a", "b", "c"]
    assert {row["version"] for row in deleted} == {2}
    assert all(row["updated_at"] > row["created_at"] and row["deleted_at"] for row in deleted)
    assert (await api.delete("/pages?code=d&code=a")).status_code == 404
    assert (await api.patch("/pages", json=[{"code": "d", "text": "x"}, {"code": "a", "text": "x"}])).status_code == 404
    assert (await api.get("/pages/d")).json()["version"] == 1


async def test_a_tree_is_deleted_from_any_end(api: httpx2.AsyncClient, database: Database) -> None:
    """Rows that refer to each other are deleted together; one that another refers to still stays, and all with it."""
    (top,) = await made(api, "/nodes", [{"name": "top"}])
    below = await made(api, "/nodes", [{"name": name, "parent_id": top["id"]} for name in "ab"])
    keys = [top["id"], below[0]["id"], below[1]["id"]]
    answer = await api.delete(f"/nodes?id={keys[0]}&id={keys[1]}")
    assert (answer.status_code, answer.json()["violation"]) == (409, "foreign_key")
    words, answer = await writes(api, Statements(database), "DELETE", "/nodes?" + "&".join(f"id={it}" for it in keys))
    assert (answer.status_code, words) == (204, ["DELETE"])


def test_which_columns_decide_about_uniqueness() -> None:
    """Those of keys and unique indexes, of their expressions and conditions; where that is text, all."""
    columns = [sa.Column(name, sa.Integer, primary_key=name == "a") for name in "abcdefg"]
    table = sa.Table(
        "t",
        sa.MetaData(),
        *columns,
        sa.UniqueConstraint("b"),
        sa.Index("i1", columns[2], unique=True, postgresql_where=columns[3] > 0),
        sa.Index("i2", sa.func.abs(columns[4]), unique=True),
        sa.Index("i3", columns[5]),
        sa.CheckConstraint("g > 0"),
    )
    assert {column.name for column in deciding_uniqueness(table)} == set("abcde")
    sa.Index("i4", table.c.f, unique=True, sqlite_where=sa.text("g > 0"))
    assert deciding_uniqueness(table) == frozenset(table.columns)


def test_which_keys_are_found_again() -> None:
    """Numbers, UUIDs and text that is compared as it is."""
    exact: list[sa.types.TypeEngine[Any]] = [sa.Integer(), sa.Uuid(), sa.String(9)]
    assert all(is_exact(sa.Column("x", type_), "sqlite") for type_ in exact)
    inexact: list[sa.types.TypeEngine[Any]] = [
        sa.DateTime(timezone=True),
        sa.Float(),
        sa.CHAR(9),
        sa.Uuid(as_uuid=False),
    ]
    assert not any(is_exact(sa.Column("x", type_), "sqlite") for type_ in inexact)
    assert not is_exact(sa.Column("x", sa.String(9, collation="NOCASE")), "sqlite")
    assert not is_exact(sa.Column("x", sa.String(9)), "mariadb")
