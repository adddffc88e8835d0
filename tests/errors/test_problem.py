"""What an endpoint raises."""

from typing import Any

import pytest
from fastapi import FastAPI, HTTPException
from fastapi.testclient import TestClient

from fastapi_kit.errors import (
    BadRequestError,
    BusinessLogicError,
    ConflictError,
    ContentTooLargeError,
    ForbiddenError,
    NotFoundError,
    Problem,
    ServiceUnavailableError,
    UnauthorizedError,
    UnprocessableContentError,
    UnsupportedMediaTypeError,
    ValidationProblem,
)


@pytest.mark.parametrize(
    ("kind", "status", "title"),
    [
        (Problem, 500, "Internal Server Error"),
        (BadRequestError, 400, "Bad Request"),
        (UnauthorizedError, 401, "Unauthorized"),
        (ForbiddenError, 403, "Forbidden"),
        (NotFoundError, 404, "Not Found"),
        (ConflictError, 409, "Conflict"),
        (ContentTooLargeError, 413, "Content Too Large"),
        (UnsupportedMediaTypeError, 415, "Unsupported Media Type"),
        (UnprocessableContentError, 422, "Unprocessable Content"),
        (ServiceUnavailableError, 503, "Service Unavailable"),
    ],
)
def test_ready_made_problems_have_the_names_of_rfc_9110(kind: type[Problem], status: int, title: str) -> None:
    """Status and title come with the class, the same on every Python; the detail is the title until one is given."""
    problem = kind()
    assert (problem.status, problem.status_code, problem.title, problem.type) == (status, status, title, "about:blank")
    assert problem.detail == title
    assert kind("Something else.").detail == "Something else."


def test_subclass_is_a_declared_problem_type() -> None:
    """A subclass sets its members once; an argument still wins."""

    class OutOfStockError(ConflictError):
        """Nothing left."""

        type = "https://errors.example.org/out-of-stock"
        title = "Out of stock"

    problem = OutOfStockError("Come back on Monday.", instance="/orders/7", extensions={"left": 0})
    assert (problem.status, problem.type, problem.title) == (409, OutOfStockError.type, "Out of stock")
    assert (problem.instance, problem.extensions) == ("/orders/7", {"left": 0})
    assert OutOfStockError(status=410, title="Sold out", type="about:blank").status_code == 410


def test_extension_cannot_take_the_name_of_a_member() -> None:
    """A body has each member once: the constructor refuses what would overwrite one."""
    with pytest.raises(ValueError, match="status, title: not an extension"):
        Problem(extensions={"title": "x", "status": 200, "more": 1})


@pytest.mark.parametrize(("seconds", "header"), [(30, "30"), (0.2, "1"), (None, None)])
def test_service_unavailable_says_when_to_come_back(seconds: float | None, header: str | None) -> None:
    """Seconds become a `Retry-After`, rounded up to whole ones as RFC 9110 wants them."""
    problem = ServiceUnavailableError(retry_after=seconds, headers={"X-Other": "1"})
    assert problem.headers is not None
    assert problem.headers.get("Retry-After") == header
    assert problem.headers["X-Other"] == "1"


def test_business_error_is_the_reference_class() -> None:
    """It takes detail and status as in the reference, may have a constructor of its own, and reads as its detail."""

    class UserNotFoundError(BusinessLogicError):
        def __init__(self, user_id: str) -> None:
            super().__init__(detail=f"User with ID {user_id} not found", status_code=404)

    assert BusinessLogicError("No.").status_code == 400
    assert BusinessLogicError("No.", 402).status_code == 402
    error = UserNotFoundError("7")
    assert (error.status_code, error.detail, str(error)) == (
        404,
        "User with ID 7 not found",
        "User with ID 7 not found",
    )


def test_validation_problem_counts_what_it_was_given() -> None:
    """The total is the number of errors, unless these are only the first of more."""
    error: Any = {"loc": ["query", "limit"], "msg": "Too much", "type": "less_than"}
    assert ValidationProblem([error, error]).total == 2
    assert ValidationProblem([error], total=9).total == 9


def test_problem_works_where_nothing_is_installed() -> None:
    """A problem is an HTTPException, so plain FastAPI answers it with status, headers and detail."""
    app = FastAPI()

    @app.get("/")
    async def fail() -> None:
        raise ServiceUnavailableError("Closed.", retry_after=5)

    response = TestClient(app).get("/")
    assert isinstance(ServiceUnavailableError(), HTTPException)
    assert (response.status_code, response.json()) == (503, {"detail": "Closed."})
    assert response.headers["retry-after"] == "5"
