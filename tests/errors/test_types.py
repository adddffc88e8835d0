"""The names of problem types."""

import pytest
from fastapi import FastAPI, HTTPException
from fastapi.testclient import TestClient

from fastapi_kit.errors import ConflictError, NotFoundError, Problem, ValidationProblem, install, raises
from fastapi_kit.errors._types import name_of_class, type_uri

BASE = "https://docs.example.org/problems/#"


class OutOfStockError(ConflictError):
    """Not enough is left."""


class ElsewhereError(ConflictError):
    """Has a URI of its own."""

    type = "https://errors.example.org/elsewhere"


@pytest.mark.parametrize(
    ("problem", "name"),
    [
        (NotFoundError(), "not-found"),
        (OutOfStockError(), "out-of-stock"),
        (ValidationProblem([]), "validation"),
        (Problem(status=405), "method-not-allowed"),
        (Problem(status=418), "i-m-a-teapot"),
        (Problem(), "internal-server-error"),
    ],
    ids=["ready-made", "own", "validation", "status", "odd", "failure"],
)
def test_a_type_is_named_by_its_class_or_its_status(problem: Problem, name: str) -> None:
    """Words joined by hyphens, behind the base; without a base the status says it all."""
    assert type_uri(problem, BASE) == BASE + name
    assert type_uri(problem, None) == "about:blank"


def test_a_uri_of_its_own_stays() -> None:
    """The base is for those that have none; a status without a name has nothing to point to."""
    assert type_uri(ElsewhereError(), BASE) == "https://errors.example.org/elsewhere"
    assert type_uri(NotFoundError(type="urn:x"), BASE) == "urn:x"
    assert type_uri(Problem(status=599), BASE) == "about:blank"


@pytest.mark.parametrize(
    ("class_name", "name"),
    [("HTTPTooSlowError", "http-too-slow"), ("Error", "error"), ("OAuth2Error", "o-auth2"), ("Gone", "gone")],
)
def test_class_names_become_words(class_name: str, name: str) -> None:
    """Capitals in a row are one word, and the suffix goes unless nothing else is left."""
    assert name_of_class(class_name) == name


def test_answers_and_document_name_the_same_type() -> None:
    """What OpenAPI shows as an example is what a client gets."""
    app = FastAPI()
    install(app, type_base=BASE)

    @app.get("/", responses=raises(OutOfStockError, ElsewhereError))
    async def order(kind: int) -> None:
        raise (OutOfStockError(), HTTPException(404), RuntimeError())[kind]

    client = TestClient(app, raise_server_exceptions=False)
    responses = client.get("/openapi.json").json()["paths"]["/"]["get"]["responses"]
    shown = {
        name: example["value"]["type"]
        for name, example in responses["409"]["content"]["application/problem+json"]["examples"].items()
    }
    assert shown == {"OutOfStockError": BASE + "out-of-stock", "ElsewhereError": ElsewhereError.type}
    answered = [client.get(f"/?kind={kind}").json()["type"] for kind in ("0", "1", "2", "x")]
    assert answered == [BASE + name for name in ("out-of-stock", "not-found", "internal-server-error", "validation")]
    assert client.post("/").json()["type"] == BASE + "method-not-allowed"


def test_a_base_ends_where_the_name_begins() -> None:
    """A mistake that would be in every answer is refused at once."""
    with pytest.raises(ValueError, match="end with # or /"):
        install(FastAPI(), type_base="https://docs.example.org/problems")
