"""A violated constraint is a 409 that names the fields, in the same words on every database."""

from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass
from typing import Any

import anyio
import httpx2
import pytest
import sqlalchemy as sa
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from fastapi_kit.crud import CRUDRouter
from fastapi_kit.db import HIDDEN, Database
from fastapi_kit.testing import client
from tests.crud.library import City, Country, Models, app_with, create_tables, store

pytestmark = pytest.mark.anyio


class Unnamed(DeclarativeBase):
    """A registry without naming convention: databases name its constraints."""


class Shelf(Unnamed):
    """A row that has every kind of constraint, none with a name."""

    __tablename__ = "shelf"
    id: Mapped[int] = mapped_column(primary_key=True)
    code: Mapped[str] = mapped_column(sa.String(9), unique=True)
    room: Mapped[str] = mapped_column(sa.String(9), default="a")
    place: Mapped[int] = mapped_column("position", default=0)
    parent_id: Mapped[int | None] = mapped_column(sa.ForeignKey("shelf.id"))
    width: Mapped[int] = mapped_column(sa.CheckConstraint("width > 0"), default=1)
    __table_args__ = (sa.UniqueConstraint("room", "position"),)


class Locker(Unnamed):
    """A row whose hidden column is unique, and always the same."""

    __tablename__ = "locker"
    id: Mapped[int] = mapped_column(primary_key=True)
    label: Mapped[str] = mapped_column(sa.String(9))
    combination: Mapped[int] = mapped_column(unique=True, default=1234, info=HIDDEN)


@dataclass(frozen=True)
class Case:
    """What a client writes, and how it is refused."""

    path: str
    write: Mapping[str, Any]
    """What violates a constraint, in POST, PUT and PATCH alike."""
    violation: str
    fields: list[str]


DETAILS = {
    "unique": "A row with the same unique values exists already.",
    "foreign_key": "The row refers to one that does not exist.",
    "check": "The values are refused by a rule of the database.",
}
IN_USE = "The row is referred to by others, or refers to one that does not exist."
TWIN = {"name": "Basel", "country_code": "CH"}
NAMED = [
    pytest.param(Case("/countries", {"name": "Austria"}, "unique", ["name"]), id="unique"),
    pytest.param(Case("/cities", TWIN, "unique", ["name", "country_code"]), id="composite-unique"),
    pytest.param(Case("/cities", {"short": "BS"}, "unique", ["short"]), id="renamed-unique"),
    pytest.param(Case("/cities", {"country_code": "XX"}, "foreign_key", ["country_code"]), id="foreign-key"),
    pytest.param(Case("/cities", {"twin_id": 99}, "foreign_key", ["twin_id"]), id="own-foreign-key"),
    pytest.param(Case("/cities", {"population": -1}, "check", ["population"]), id="check"),
    pytest.param(
        Case("/cities", {"name": "Atlantis", "population": 5}, "check", ["name", "population"]), id="composite-check"
    ),
]
UNNAMED = [
    pytest.param(Case("/shelves", {"code": "A1"}, "unique", ["code"]), id="unnamed-unique"),
    pytest.param(Case("/shelves", {"room": "a", "place": 0}, "unique", ["room", "place"]), id="unnamed-composite"),
    pytest.param(Case("/shelves", {"parent_id": 99}, "foreign_key", ["parent_id"]), id="unnamed-foreign-key"),
    pytest.param(Case("/shelves", {"width": 0}, "check", ["width"]), id="unnamed-check"),
]

VALID: Mapping[str, Mapping[str, Any]] = {
    "/countries": {"name": "France", "currency": "EUR"},
    "/cities": {"name": "Bern", "country_code": "CH"},
    "/shelves": {"code": "B2", "room": "b", "place": 1},
}
"""A row of each resource beside the stored ones, which a case turns into a violation."""
KEYS: Mapping[str, Mapping[str, Any]] = {"/countries": {"code": "FR"}}
"""What a POST has besides."""
SECOND = {"/countries": "/countries/CH", "/cities": "/cities/2", "/shelves": "/shelves/2"}
"""A stored row of each resource, which a case would make equal to another."""


async def serve(database: Database) -> AsyncGenerator[httpx2.AsyncClient]:
    """A client, and two rows in each table."""
    await create_tables(database)
    await create_tables(database, Unnamed)
    await store(database, Country, {"code": "AT", "name": "Austria"}, {"code": "CH", "name": "Switzerland"})
    await store(database, City, {"short": "BS", **TWIN}, {"short": "GE", "name": "Geneva", "country_code": "CH"})
    await store(database, Shelf, {"code": "A1", "place": 0}, {"code": "A2", "place": 1})
    routers = (
        CRUDRouter(Country, prefix="/countries"),
        CRUDRouter(City, prefix="/cities"),
        CRUDRouter(Shelf, prefix="/shelves"),
    )
    async with client(app_with(database, *routers)) as api:
        yield api


@pytest.fixture
async def stored(database: Database) -> AsyncGenerator[httpx2.AsyncClient]:
    """A client on each backend that is supported in full."""
    async for api in serve(database):
        yield api


@pytest.fixture
async def stored_in_mariadb(mariadb: Database) -> AsyncGenerator[httpx2.AsyncClient]:
    """A client on MariaDB."""
    async for api in serve(mariadb):
        yield api


def check_conflict(response: httpx2.Response, violation: str, fields: list[str]) -> None:
    """See that the answer is just what is told of such a violation on every database."""
    assert response.status_code == 409
    assert response.headers["content-type"] == "application/problem+json"
    assert response.json() == {
        "type": "about:blank",
        "title": "Conflict",
        "status": 409,
        "detail": IN_USE if violation == "foreign_key" and not fields else DETAILS[violation],
        "violation": violation,
        "fields": fields,
    }


async def check_write(api: httpx2.AsyncClient, method: str, case: Case) -> None:
    """See that the write is refused, and that nothing of it was stored."""
    rows = (await api.get(case.path)).json()
    body = case.write if method == "PATCH" else {**VALID[case.path], **case.write}
    if method == "POST":
        path, body = case.path, {**KEYS.get(case.path, {}), **body}
    else:
        path = SECOND[case.path]
    check_conflict(await api.request(method, path, json=body), case.violation, case.fields)
    assert (await api.get(case.path)).json() == rows


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH"])
@pytest.mark.parametrize("case", [*NAMED, *UNNAMED])
async def test_a_write_that_violates_a_constraint(stored: httpx2.AsyncClient, method: str, case: Case) -> None:
    """The body names kind and fields of the violation by what the client knows them by, and no value."""
    await check_write(stored, method, case)


@pytest.mark.mariadb
@pytest.mark.parametrize("case", [*NAMED, *UNNAMED])
async def test_a_write_on_mariadb(stored_in_mariadb: httpx2.AsyncClient, case: Case) -> None:
    """MariaDB's answers are the same."""
    for method in ("POST", "PUT", "PATCH"):
        await check_write(stored_in_mariadb, method, case)


async def check_keys_and_parents(api: httpx2.AsyncClient) -> None:
    """A key that is taken, parents that are in use, and rows that may be written all the same."""
    taken = {"code": "CH", "name": "Helvetia"}
    check_conflict(await api.post("/countries", json=taken), "unique", ["code"])
    check_conflict(await api.delete("/countries/CH"), "foreign_key", [])
    assert (await api.patch("/cities/1", json={"twin_id": 2})).status_code == 200
    check_conflict(await api.delete("/cities/2"), "foreign_key", [])
    assert (await api.patch("/cities/1", json={"twin_id": 1})).status_code == 200
    assert (await api.patch("/cities/1", json={"name": "Basel"})).status_code == 200
    assert (await api.put("/cities/2", json=VALID["/cities"])).json()["name"] == "Bern"
    assert (await api.delete("/cities/2")).status_code == 204
    assert (await api.delete("/countries/AT")).status_code == 204


async def test_keys_and_parents(stored: httpx2.AsyncClient) -> None:
    """A key that exists is named; what is referred to cannot be deleted, and no field is to blame."""
    await check_keys_and_parents(stored)


@pytest.mark.mariadb
async def test_keys_and_parents_on_mariadb(stored_in_mariadb: httpx2.AsyncClient) -> None:
    """MariaDB's answers are the same."""
    await check_keys_and_parents(stored_in_mariadb)


async def test_a_hidden_column_is_not_named(database: Database) -> None:
    """A constraint of a column that clients do not know of refuses the row, and does not tell of the column."""
    await create_tables(database, Unnamed)
    async with client(app_with(database, CRUDRouter(Locker, prefix="/lockers"))) as api:
        assert (await api.post("/lockers", json={"label": "a"})).status_code == 201
        check_conflict(await api.post("/lockers", json={"label": "b"}), "unique", [])


async def test_the_first_of_many_writers_wins(stored: httpx2.AsyncClient) -> None:
    """A unique value is refused by the database itself: no look before the leap can be outrun."""
    statuses: list[int] = []

    async def write(code: str) -> None:
        response = await stored.post("/countries", json={"code": code, "name": "Same"})
        statuses.append(response.status_code)

    async with anyio.create_task_group() as group:
        for code in ("A1", "A2", "A3", "A4", "A5"):
            group.start_soon(write, code)
    assert sorted(statuses) == [201, 409, 409, 409, 409]


async def test_the_library_has_named_constraints() -> None:
    """The two registries differ in what they are here to differ in."""
    named = {constraint.name for constraint in Models.metadata.tables["city"].constraints}
    assert {"uq_city_country_code_name", "ck_city_sunk", "fk_city_twin_id_city"} <= named
    assert not [name for constraint in Shelf.metadata.tables["shelf"].constraints if (name := constraint.name)]
