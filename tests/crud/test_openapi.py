"""The OpenAPI document describes the generated routes as they are."""

import re
from collections.abc import Iterator
from enum import StrEnum
from itertools import product
from typing import Any, cast

import pytest
import sqlalchemy as sa
from fastapi import Depends, FastAPI
from pydantic import BaseModel
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from fastapi_kit.crud import CRUDRouter, OperationName, Query
from fastapi_kit.crud._parameters import QueryReader
from fastapi_kit.crud._query import compile_query
from fastapi_kit.crud._resource import Schemas, describe
from fastapi_kit.errors import ValidationProblem, install
from tests.crud.library import ROUTERS, City, Country

WHOLESALE: tuple[OperationName, ...] = ("create_many", "update_many", "delete_many", "export")


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    """The description of an app that serves all models of the library."""
    app = FastAPI(title="Library", version="1")
    for router in ROUTERS:
        app.include_router(router)
    install(app)
    return app.openapi()


def nodes(node: Any, path: str = "#") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every object of a document, and where it is."""
    if isinstance(node, dict):
        members = cast("dict[str, Any]", node)
        yield path, members
        for name, child in members.items():
            yield from nodes(child, f"{path}/{name}")
    elif isinstance(node, list):
        for index, child in enumerate(items_of(node)):
            yield from nodes(child, f"{path}/{index}")


def items_of(node: Any) -> list[Any]:
    """A list, whose items may be anything."""
    return cast("list[Any]", node)


def operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Every operation: its path, its method and its description."""
    for path, item in document["paths"].items():
        for method, operation in item.items():
            yield path, method, operation


def test_no_reference_dangles(document: dict[str, Any]) -> None:
    """Each `$ref` leads to a component, and there are some."""
    references = {node["$ref"] for _, node in nodes(document) if "$ref" in node}
    assert references
    for reference in references:
        prefix, _, name = reference.rpartition("/")
        assert prefix == "#/components/schemas"
        assert name in document["components"]["schemas"]
    assert not [path for path, node in nodes(document) if "$defs" in node]


def test_the_structure_is_that_of_openapi_3_1(document: dict[str, Any]) -> None:
    """Operations have unique ids and described answers; parameters have a place, a schema, and are there once."""
    assert document["openapi"].startswith("3.1.")
    identifiers = [operation["operationId"] for _, _, operation in operations(document)]
    assert len(set(identifiers)) == len(identifiers)
    for path, _, operation in operations(document):
        parameters = operation.get("parameters", [])
        places = [(parameter["in"], parameter["name"]) for parameter in parameters]
        assert len(set(places)) == len(places)
        assert {name for place, name in places if place == "path"} == set(re.findall(r"{(\w+)}", path))
        for parameter in parameters:
            assert set(parameter) <= {"name", "in", "required", "schema", "description"}
            assert parameter["in"] in {"path", "query"}
            assert parameter["required"] is (parameter["in"] == "path")
            assert parameter["schema"]
        for status, response in operation["responses"].items():
            assert re.fullmatch(r"[2-5]\d\d", status)
            assert response["description"]


SUCCESS = {"list": "200", "get": "200", "create": "201", "replace": "200", "update": "200", "delete": "204"}
PROBLEMS = {
    "list": {"404", "422", "503"},
    "get": {"404", "422", "503"},
    "create": {"409", "413", "415", "422", "503"},
    "replace": {"404", "409", "413", "415", "422", "503"},
    "update": {"404", "409", "413", "415", "422", "503"},
    "delete": {"404", "409", "422", "503"},
}
METHODS = {"list": "get", "get": "get", "create": "post", "replace": "put", "update": "patch", "delete": "delete"}


@pytest.mark.parametrize("operation", SUCCESS)
@pytest.mark.parametrize(("prefix", "key"), [("/countries", "code"), ("/cities", "id"), ("/notes", "id")])
def test_every_answer_is_declared(document: dict[str, Any], operation: str, prefix: str, key: str) -> None:
    """One success with its schema, and each problem with the schema of a problem."""
    path = prefix if operation in {"list", "create"} else f"{prefix}/{{{key}}}"
    described = document["paths"][path][METHODS[operation]]
    responses = described["responses"]
    assert set(responses) == {SUCCESS[operation], *PROBLEMS[operation]}
    if operation == "delete":
        assert "content" not in responses["204"]
    else:
        assert set(responses[SUCCESS[operation]]["content"]) == {"application/json"}
    for status in PROBLEMS[operation]:
        name = "ValidationProblemDetail" if status == "422" else "ProblemDetail"
        schema = {"$ref": f"#/components/schemas/{name}"}
        assert responses[status]["content"]["application/problem+json"]["schema"] == schema
    assert ("requestBody" in described) is (operation in {"create", "replace", "update"})


def test_bodies_are_required_and_say_their_kinds(document: dict[str, Any]) -> None:
    """PATCH is a merge patch by name, too; each body is an object that takes no other fields."""
    for _, method, operation in operations(document):
        if method in {"post", "put", "patch"}:
            body = operation["requestBody"]
            assert body["required"] is True
            patch = {"application/merge-patch+json"} if method == "patch" else set[str]()
            assert set(body["content"]) == {"application/json"} | patch
            for media in body["content"].values():
                assert media["schema"]["type"] == "object"
                assert media["schema"]["additionalProperties"] is False
                assert ("required" in media["schema"]) is (method != "patch")


def parameters_of(app: FastAPI, path: str, method: str = "get") -> dict[str, dict[str, Any]]:
    """The described parameters of an operation, by name."""
    described = app.openapi()["paths"][path][method].get("parameters", [])
    return {parameter["name"]: parameter for parameter in described}


def test_the_parameters_of_a_list_are_exact() -> None:
    """Bounds, defaults and operators are those of the query; the short form is told, not listed."""
    app = FastAPI()
    query = Query(
        filter={"name": {"eq", "icontains"}, "elevation": {"isnull", "in"}, "population": {"gte"}},
        sort={"name", "population"},
        limit=10,
        max_limit=50,
        count="none",
    )
    app.include_router(CRUDRouter(City, prefix="/cities", query=query))
    parameters = parameters_of(app, "/cities")
    integer = {"type": "integer", "minimum": -(2**31), "maximum": 2**31 - 1}
    assert {name: parameter["schema"] for name, parameter in parameters.items()} == {
        "page": {"type": "integer", "minimum": 1, "maximum": 1_000_000, "default": 1},
        "limit": {"type": "integer", "minimum": 1, "maximum": 50, "default": 10},
        "cursor": {"type": "string", "maxLength": 4_000, "pattern": "^[A-Za-z0-9_-]+$"},
        "sort": {
            "type": "string",
            "pattern": r"^(?!(.*[,-])?([^,-]+),(.*[,-])?\2(,|$))-?(name|population)(,-?(name|population)){0,1}$",
        },
        "count": {"type": "string", "enum": ["none", "capped", "exact"], "default": "none"},
        "name__eq": {"type": "string", "maxLength": 40, "pattern": "^[^\\u0000]*$"},
        "name__icontains": {"type": "string", "maxLength": 40, "pattern": "^[^\\u0000]*$"},
        "elevation__in": {"type": "array", "items": integer, "maxItems": 100},
        "elevation__isnull": {"type": "boolean"},
        "population__gte": integer,
    }
    assert parameters["name__eq"]["description"] == "`name` equals this value; also `name`"
    assert parameters["population__gte"]["description"] == "`population` is at least this value"


TERMS = ["name", "-name", "id", "-id", "population", "-population"]
SORTS = [",".join(terms) for length in range(5) for terms in product(TERMS, repeat=length)]


def test_the_pattern_of_sort_takes_what_a_list_takes() -> None:
    """An order matches exactly if it is read without an error: each column at most once, in either direction."""
    query = Query(sort={"id", "name", "population"})
    app = FastAPI()
    app.include_router(CRUDRouter(City, prefix="/cities", query=query))
    pattern = re.compile(parameters_of(app, "/cities")["sort"]["schema"]["pattern"])
    resource = describe(City, Schemas(), ())
    reader = QueryReader(compile_query(query, resource.mapped, resource.visible, {}))
    for sort in [*SORTS, "nam", "name,", ",name", "--name", "name,,id", "name-id", "rank", "names", "Name"]:
        try:
            reader.list(f"sort={sort}".encode(), frozenset())
            readable = True
        except ValidationProblem:
            readable = False
        assert bool(pattern.search(sort)) is readable, sort


def test_a_list_that_cannot_be_sorted_says_so() -> None:
    """Where no column may be sorted by, there is no such parameter."""
    app = FastAPI()
    app.include_router(CRUDRouter(City, prefix="/cities", query=Query(filter={}, sort=())))
    assert set(parameters_of(app, "/cities")) == {"page", "limit", "cursor", "count"}


def test_the_parameters_of_dependencies_are_there_too() -> None:
    """What FastAPI finds in dependencies stands beside what the resource takes, path and query alike."""

    async def tenant(tenant_id: int, trace: str = "") -> str:
        return f"{tenant_id}{trace}"

    app = FastAPI()
    router = CRUDRouter(City, prefix="/cities", dependencies={"*": [Depends(tenant)]})
    app.include_router(router, prefix="/tenants/{tenant_id}")
    assert {"tenant_id", "trace", "page"} <= set(parameters_of(app, "/tenants/{tenant_id}/cities"))
    row = parameters_of(app, "/tenants/{tenant_id}/cities/{id}")
    assert {name: parameter["in"] for name, parameter in row.items()} == {
        "tenant_id": "path",
        "id": "path",
        "trace": "query",
    }


def test_a_given_schema_is_the_one_described() -> None:
    """Nested models and enums are written out in bodies, and components in answers."""

    class Tongue(StrEnum):
        FRENCH = "fr"

    class CountryWrite(BaseModel):
        name: str
        currency: Tongue = Tongue.FRENCH

    class CountryRead(CountryWrite):
        code: str

    app = FastAPI()
    app.include_router(
        CRUDRouter(
            Country, prefix="/countries", update=CountryWrite, replace=CountryWrite, read=CountryRead,
            routes={"get", "replace", "update"},
        )
    )  # fmt: skip
    document = app.openapi()
    item = document["paths"]["/countries/{code}"]
    body = item["put"]["requestBody"]["content"]["application/json"]["schema"]
    assert body["properties"]["currency"]["enum"] == ["fr"]
    assert item["get"]["responses"]["200"]["content"]["application/json"]["schema"] == {
        "$ref": "#/components/schemas/CountryRead"
    }
    assert not [node for _, node in nodes(item["put"]["requestBody"]) if "$ref" in node]


@pytest.mark.parametrize(
    ("prefix", "summaries"),
    [
        ("/towns", {"List towns", "Get city", "Create city", "Create many towns", "Export towns as CSV"}),
        ("/countries/{country_code}/big-towns", {"List big towns", "Delete city", "Delete many big towns"}),
        ("", {"List city rows", "Update many city rows"}),
    ],
    ids=["one name", "below a row", "no name"],
)
def test_rows_are_called_what_their_path_calls_them(prefix: str, summaries: set[str]) -> None:
    """English plurals cannot be made of singulars, but whoever named the path has made one."""
    app = FastAPI()
    app.include_router(
        CRUDRouter(City, prefix=prefix, routes=["list", "get", "create", "delete", *WHOLESALE]), prefix="/all"
    )
    assert summaries <= {operation["summary"] for _, _, operation in operations(app.openapi())}


def test_names_are_made_of_the_models() -> None:
    """Operations are told apart by the model's name in snake case, and summed up in words."""

    class Models(DeclarativeBase):
        pass

    class HTTPErrorPage(Models):
        __tablename__ = "page"
        id: Mapped[int] = mapped_column(primary_key=True)
        body: Mapped[str] = mapped_column(sa.Text)

    app = FastAPI(generate_unique_id_function=lambda route: route.name)
    app.include_router(CRUDRouter(HTTPErrorPage, prefix="/pages", tags=["pages"]))
    described = {operation["operationId"]: operation for _, _, operation in operations(app.openapi())}
    assert set(described) == {f"{name}_http_error_page" for name in SUCCESS}
    assert described["list_http_error_page"]["summary"] == "List pages"
    assert described["get_http_error_page"]["summary"] == "Get http error page"
    assert {tag for operation in described.values() for tag in operation["tags"]} == {"pages"}
