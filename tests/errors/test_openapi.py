"""Errors in the OpenAPI document."""

import json
from typing import Any

import pytest
from fastapi import APIRouter, FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.testclient import TestClient
from pydantic import BaseModel

from fastapi_kit.errors import (
    ConflictError,
    NotFoundError,
    Problem,
    ProblemDetail,
    UnprocessableContentError,
    ValidationProblem,
    ValidationProblemDetail,
    declare_errors,
    install,
    raises,
)

PROBLEM_JSON = "application/problem+json"


class TakenError(ConflictError):
    """The name is taken.

    Further text is not part of the summary.
    """

    title = "Taken"
    type = "https://errors.example.org/taken"


class Item(BaseModel):
    """A typed body."""

    name: str


async def read(item_id: int) -> Item:
    """A parameter, so FastAPI declares a 422."""
    return Item(name=str(item_id))


async def create(item: Item) -> Item:
    """A body, so FastAPI declares a 422."""
    return item


def references(node: Any) -> set[str]:
    """Every `$ref` in a document."""
    return {line.split('"')[3] for line in json.dumps(node, indent=0).splitlines() if line.startswith('"$ref"')}


def application() -> FastAPI:
    """Routes with and without declared problems, in a router."""
    app = FastAPI()
    router = APIRouter(responses=raises(NotFoundError))
    router.add_api_route("/items/{item_id}", read)
    router.add_api_route(
        "/items", create, methods=["POST"], responses=raises(TakenError, ConflictError, ValidationProblem)
    )
    app.include_router(router, prefix="/api")
    return app


def test_raises_gives_one_entry_per_status() -> None:
    """Types of one status share an entry; each has an example of its own."""
    responses = raises(NotFoundError, TakenError, ConflictError)
    assert set(responses) == {404, 409}
    assert responses[409]["description"] == "Conflict"
    media = responses[409]["content"][PROBLEM_JSON]
    assert set(media["examples"]) == {"TakenError", "ConflictError"}
    assert media["examples"]["TakenError"] == {
        "summary": "The name is taken.",
        "value": {
            "type": "https://errors.example.org/taken",
            "title": "Taken",
            "status": 409,
            "detail": "The name is taken.",
        },
    }
    assert media["schema"]["title"] == "ProblemDetail"


@pytest.mark.parametrize("kind", [ValidationProblem, UnprocessableContentError])
def test_raises_declares_errors_for_422(kind: type[Problem]) -> None:
    """The entry for 422 replaces FastAPI's, so its schema has the members of a failed validation."""
    schema = raises(kind)[422]["content"][PROBLEM_JSON]["schema"]
    assert schema["title"] == "ValidationProblemDetail"
    assert set(schema["properties"]["errors"]["items"]["properties"]) == {"loc", "msg", "type"}


def test_raises_refuses_what_is_no_problem_type() -> None:
    """A mistake is told where it is made."""
    wrong: Any = ValueError
    with pytest.raises(TypeError, match="not a subclass of Problem"):
        raises(wrong)
    instance: Any = NotFoundError()
    with pytest.raises(TypeError, match="not a subclass of Problem"):
        raises(instance)


def test_examples_and_answers_fit_the_models() -> None:
    """What is declared can be read back by the models that declare it."""
    for entry in raises(NotFoundError, TakenError).values():
        for example in entry["content"][PROBLEM_JSON]["examples"].values():
            assert ProblemDetail.model_validate(example["value"]).status == example["value"]["status"]
    app = application()
    install(app)
    answer = ValidationProblemDetail.model_validate(TestClient(app).get("/api/items/x").json())
    assert answer.errors is not None
    assert (answer.status, answer.errors_total, answer.errors[0]["loc"]) == (422, 1, ["path", "item_id"])


def test_declarations_are_complete_where_nothing_is_installed() -> None:
    """`raises` alone makes a document without dangling references."""
    document = application().openapi()
    names = {reference.rsplit("/", 1)[1] for reference in references(document)}
    assert names <= set(document["components"]["schemas"])
    assert PROBLEM_JSON in document["paths"]["/api/items/{item_id}"]["get"]["responses"]["404"]["content"]


def test_install_replaces_fastapis_422_and_shares_the_schemas() -> None:
    """Every declared error is a problem, and generated clients have one type for each kind."""
    app = application()
    install(app)
    document = TestClient(app).get("/openapi.json").json()
    reading = document["paths"]["/api/items/{item_id}"]["get"]["responses"]
    creating = document["paths"]["/api/items"]["post"]["responses"]
    validation = {"$ref": "#/components/schemas/ValidationProblemDetail"}
    assert reading["422"]["content"] == {PROBLEM_JSON: {"schema": validation}}
    assert reading["422"]["description"] == "Unprocessable Content"
    assert reading["404"]["content"][PROBLEM_JSON]["schema"] == {"$ref": "#/components/schemas/ProblemDetail"}
    assert creating["422"]["content"][PROBLEM_JSON]["schema"] == validation
    assert set(creating["409"]["content"][PROBLEM_JSON]["examples"]) == {"TakenError", "ConflictError"}
    schemas = document["components"]["schemas"]
    assert set(schemas) == {"FieldError", "Item", "ProblemDetail", "ValidationProblemDetail"}
    assert schemas["ValidationProblemDetail"]["properties"]["errors"]["items"] == {
        "$ref": "#/components/schemas/FieldError"
    }
    assert set(schemas["ProblemDetail"]["required"]) == {"type", "title", "status", "detail"}


def test_legacy_answers_are_declared_as_such() -> None:
    """With `render="legacy"` the document tells the shape that is sent."""
    app = application()
    install(app, render="legacy")
    document = app.openapi()
    legacy = {"application/json": {"schema": {"$ref": "#/components/schemas/LegacyError"}}}
    responses = document["paths"]["/api/items/{item_id}"]["get"]["responses"]
    assert (responses["404"]["content"], responses["422"]["content"]) == (legacy, legacy)
    assert PROBLEM_JSON not in json.dumps(document)
    assert set(document["components"]["schemas"]) == {"FieldError", "Item", "LegacyError"}


def test_openapi_follows_new_routes_and_is_made_once() -> None:
    """The document stays FastAPI's cached one until a route comes in, and is declared anew then."""
    app = application()
    install(app)
    first = app.openapi()
    assert app.openapi() is first
    late = APIRouter()
    late.add_api_route("/late/{item_id}", read)
    app.include_router(late)
    content = app.openapi()["paths"]["/late/{item_id}"]["get"]["responses"]["422"]["content"]
    assert set(content) == {PROBLEM_JSON}


@pytest.mark.parametrize("when", ["before", "after"])
def test_own_openapi_is_declared_too(when: str) -> None:
    """An `app.openapi` replaced before is wrapped; one replaced after calls `declare_errors` itself."""
    app = application()
    declares = when == "after"

    def own() -> dict[str, Any]:
        document = get_openapi(title="Own", version="1", routes=app.routes)
        return declare_errors(document) if declares else document

    if when == "after":
        install(app)
    app.openapi = own  # type: ignore[method-assign] # the documented way to replace it
    if when == "before":
        install(app)
    document = app.openapi()
    assert document["info"]["title"] == "Own"
    assert set(document["paths"]["/api/items/{item_id}"]["get"]["responses"]["422"]["content"]) == {PROBLEM_JSON}


def test_callbacks_and_webhooks_are_declared_too() -> None:
    """Operations that the client serves have FastAPI's 422 replaced as well."""
    app = FastAPI()
    callbacks = APIRouter()
    callbacks.add_api_route("/called", create, methods=["POST"])
    app.router.add_api_route("/subscribe", create, methods=["POST"], callbacks=callbacks.routes)
    app.webhooks.add_api_route("changed", create, methods=["POST"])
    install(app)
    assert "HTTPValidationError" not in json.dumps(app.openapi())


def test_what_still_refers_to_fastapis_schema_keeps_it() -> None:
    """A response of one's own with FastAPI's schema is left alone, together with the schema."""
    app = application()
    schema = {"$ref": "#/components/schemas/HTTPValidationError"}
    own: dict[int | str, dict[str, Any]] = {400: {"description": "Old", "content": {"text/json": {"schema": schema}}}}
    app.add_api_route("/old/{item_id}", read, responses=own)
    install(app)
    document = app.openapi()
    assert document["paths"]["/old/{item_id}"]["get"]["responses"]["400"]["content"]["text/json"] == {"schema": schema}
    assert {"HTTPValidationError", "ValidationError"} <= set(document["components"]["schemas"])


def test_document_without_errors_stays_as_it_is() -> None:
    """Nothing is added to an API that declares no error."""
    app = FastAPI()
    app.add_api_route("/", lambda: None)
    expected = json.dumps(app.openapi())
    app.openapi_schema = None
    install(app)
    assert json.dumps(app.openapi()) == expected
