"""Some fields alone: which there may be, and that nothing else is read or written."""

from collections.abc import AsyncGenerator
from typing import Any

import httpx2
import pytest
from pydantic import BaseModel, ConfigDict, Field, computed_field
from pydantic.alias_generators import to_camel

from fastapi_kit.crud import CRUDRouter, Query
from fastapi_kit.db import Database
from fastapi_kit.testing import client
from tests.crud.counting import Statements
from tests.crud.library import City, Country, Everything, app_with, create_tables, store
from tests.crud.shop import Book, Edition, Shop

pytestmark = pytest.mark.anyio

SPARSE = Query(sparse=True)


@pytest.fixture
async def cities(database: Database) -> Database:
    """A database with two cities."""
    await create_tables(database)
    await store(database, Country, {"code": "CH", "name": "Switzerland"})
    await store(
        database,
        City,
        {"id": 1, "name": "Basel", "country_code": "CH", "elevation": 260},
        {"id": 2, "name": "Chur", "country_code": "CH", "elevation": None},
    )
    return database


@pytest.fixture
async def api(cities: Database) -> AsyncGenerator[httpx2.AsyncClient]:
    """Cities, whose fields may be asked for alone."""
    async with client(app_with(cities, CRUDRouter(City, prefix="/cities", query=SPARSE))) as api:
        yield api


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ("id", [{"id": 1}, {"id": 2}]),
        ("name", [{"name": "Basel"}, {"name": "Chur"}]),
        ("elevation,name", [{"name": "Basel", "elevation": 260}, {"name": "Chur", "elevation": None}]),
        ("rank", [{"rank": 7}, {"rank": 7}]),
    ],
)
async def test_what_was_asked_for_and_nothing_else(
    api: httpx2.AsyncClient, fields: str, expected: list[dict[str, Any]]
) -> None:
    """Rows have these fields alone, in the schema's order, in the list as by themselves; the key is one of many."""
    items = (await api.get(f"/cities?fields={fields}")).json()["items"]
    assert items == expected
    assert [list(item) for item in items] == [list(item) for item in expected]
    assert [(await api.get(f"/cities/{key}?fields={fields}")).json() for key in (1, 2)] == expected


async def test_all_fields_are_the_whole_row(api: httpx2.AsyncClient) -> None:
    """To name every field is to name none."""
    whole = (await api.get("/cities/1")).content
    names = ",".join((await api.get("/cities/1")).json())
    assert (await api.get(f"/cities/1?fields={names}")).content == whole


@pytest.mark.parametrize(
    "query",
    [
        *("fields=", "fields=,", "fields=name,", "fields=name,name", "fields=none", "fields=NAME", "fields=name%20"),
        *("fields=secret", "fields=name,secret", "fields=country", "fields=country.name", "fields=elev_m"),
        *("fields=name&fields=id", "fields=*", "fields=name%00"),
    ],
)
@pytest.mark.parametrize("path", ["/cities", "/cities/1"])
async def test_other_fields_are_refused(api: httpx2.AsyncClient, path: str, query: str) -> None:
    """What is empty, unknown, hidden, related, named like the column or asked for twice is a 422."""
    response = await api.get(f"{path}?{query}")
    assert response.status_code == 422
    (error,) = response.json()["errors"]
    assert error["loc"] == ["query", "fields"]
    assert "secret" not in error["msg"]


async def test_too_many_names_are_refused_at_once(api: httpx2.AsyncClient) -> None:
    """More names than there are fields are refused without a look at them."""
    response = await api.get(f"/cities?fields={','.join('x' * 50)}")
    assert (response.status_code, response.json()["errors"][0]["type"]) == (422, "too_long")


@pytest.mark.parametrize("path", ["/cities", "/cities/1"])
async def test_there_are_no_fields_unless_declared(cities: Database, path: str) -> None:
    """Where `sparse` is left out, `fields` is an unknown parameter like any other."""
    async with client(app_with(cities, CRUDRouter(City, prefix="/cities"))) as api:
        response = await api.get(f"{path}?fields=name")
    assert (response.status_code, response.json()["errors"][0]["type"]) == (422, "extra_forbidden")


async def test_only_writes_of_whole_rows_are_answered(api: httpx2.AsyncClient) -> None:
    """Writes take no parameters, so the answer to one is the whole row."""
    assert (await api.patch("/cities/1?fields=name", json={"population": 1})).status_code == 422
    assert (await api.get("/cities/1?fields=population")).json() == {"population": 0}


async def test_no_other_column_is_read(database: Database) -> None:
    """The statement selects what is asked for and what the server needs, so a large column costs nothing."""
    await create_tables(database)
    router = CRUDRouter(Everything, prefix="/rows", query=Query(sparse=True, sort={"number"}))
    async with client(app_with(database, router)) as api:
        await api.get("/rows/1")
        statements = Statements(database)
        assert (await api.get("/rows?fields=line,flag&sort=-number")).status_code == 200
        (statement,) = statements.take()
        selected = statement[: statement.index("FROM")]
        columns = {part.strip().removeprefix("everything.") for part in selected.removeprefix("SELECT ").split(",")}
        assert columns == {"line", "flag", "id", "number"}


async def test_the_order_and_filters_may_be_of_other_fields(api: httpx2.AsyncClient) -> None:
    """What is sorted and filtered by need not be shown."""
    page = (await api.get("/cities?fields=name&sort=-elevation&population=0&limit=1")).json()
    assert page["items"] == [{"name": "Chur"}]
    following = await api.get(f"/cities?fields=id&sort=-elevation&population=0&limit=1&cursor={page['next_cursor']}")
    assert following.json()["items"] == [{"id": 1}]


async def test_the_tag_is_that_of_the_whole_row(database: Database) -> None:
    """The version makes the `ETag` also where it is not shown."""
    await create_tables(database, Shop)
    await store(database, Book, {"id": 1, "slug": "a", "title": "A"})
    async with client(app_with(database, CRUDRouter(Book, prefix="/books", query=SPARSE, version="version"))) as api:
        response = await api.get("/books/1?fields=title")
        assert response.json() == {"title": "A"}
        assert response.headers["etag"] == (await api.get("/books/1")).headers["etag"]


async def test_an_expression_is_a_field(database: Database) -> None:
    """What the database computes can be had alone, of a row with a composite key, too."""
    await create_tables(database, Shop)
    await store(database, Book, {"id": 1, "slug": "a", "title": "A"})
    await store(database, Edition, {"book_id": 1, "year": 2000, "price": 3, "copies": 4})
    async with client(app_with(database, CRUDRouter(Edition, prefix="/editions", query=SPARSE))) as api:
        assert (await api.get("/editions?fields=value")).json()["items"] == [{"value": 12}]
        assert (await api.get("/editions/1/2000?fields=value")).json() == {"value": 12}


class CityRead(BaseModel):
    """Has names of its own, leaves one out, and computes one."""

    model_config = ConfigDict(alias_generator=to_camel)
    id: int
    name: str
    country_code: str = Field(exclude=True)
    elevation: int | None

    @computed_field  # type: ignore[prop-decorator]
    @property
    def place(self) -> str:
        """What no column holds."""
        return f"{self.name}, {self.country_code}"


class CityAlias(BaseModel):
    """Has names of its own."""

    id: int
    country_code: str = Field(alias="countryCode")


async def test_fields_of_a_schema_with_names_of_its_own(cities: Database) -> None:
    """Fields are asked for by the names that filters have, and answered by the schema's."""
    async with client(
        app_with(cities, CRUDRouter(City, prefix="/cities", read=CityAlias, query=SPARSE, routes={"get", "list"}))
    ) as api:
        assert (await api.get("/cities/1?fields=country_code")).json() == {"countryCode": "CH"}
        assert (await api.get("/cities?fields=country_code")).json()["items"] == [{"countryCode": "CH"}] * 2
        assert (await api.get("/cities?fields=countryCode")).status_code == 422


async def test_fields_of_a_schema_that_computes(cities: Database) -> None:
    """Fields alone are fields of the row: what the schema computes comes with the whole row only."""
    router = CRUDRouter(City, prefix="/cities", read=CityRead, query=SPARSE, routes={"list", "get"})
    async with client(app_with(cities, router)) as api:
        whole = {"id": 1, "name": "Basel", "elevation": 260, "place": "Basel, CH"}
        assert (await api.get("/cities/1")).json() == whole
        assert (await api.get("/cities/1?fields=elevation,name")).json() == {"name": "Basel", "elevation": 260}
        page = (await api.get("/cities?fields=name&limit=1&count=exact")).json()
        assert page["items"] == [{"name": "Basel"}]
        assert (page["total"], page["total_relation"], page["previous_cursor"]) == (2, "eq", None)
        assert page["next_cursor"]
        for name in ("place", "country_code", "population"):
            assert (await api.get(f"/cities/1?fields={name}")).status_code == 422


@pytest.mark.parametrize("read", [None, CityAlias, CityRead], ids=["derived", "alias", "computes"])
def test_no_field_is_required_where_some_may_be_alone(read: type[BaseModel] | None) -> None:
    """OpenAPI requires no member of a row that may be sparse, says which names there are, and leaves writes alone."""
    sparse = CRUDRouter(City, prefix="/cities", read=read, query=SPARSE, routes={"list", "get", "delete"})
    document = app_with(Database("sqlite://"), sparse).openapi()
    schemas = document["components"]["schemas"]
    row = schemas[of_answer(document, "/cities/{id}")]
    assert "required" not in row
    page = schemas[of_answer(document, "/cities")]
    assert page["properties"]["items"]["items"]["$ref"].endswith(of_answer(document, "/cities/{id}"))
    assert "items" in page["required"]
    parameters = document["paths"]["/cities"]["get"]["parameters"]
    (pattern,) = [it["schema"]["pattern"] for it in parameters if it["name"] == "fields"]
    assert "secret" not in pattern
    whole = app_with(Database("sqlite://"), CRUDRouter(City, prefix="/cities", read=read, routes={"get"})).openapi()
    assert "id" in whole["components"]["schemas"][of_answer(whole, "/cities/{id}")]["required"]


def of_answer(document: dict[str, Any], path: str) -> str:
    """The name of the schema of a route's answer."""
    content = document["paths"][path]["get"]["responses"]["200"]["content"]
    return str(content["application/json"]["schema"]["$ref"]).rpartition("/")[2]
