"""What exceptions mean for clients."""

from collections.abc import Callable
from typing import Any

import pytest
from fastapi import HTTPException
from hypothesis import given
from hypothesis import strategies as st

from fastapi_kit.errors import (
    ConflictError,
    ForbiddenError,
    NotFoundError,
    Problem,
    ServiceUnavailableError,
    UnauthorizedError,
    ValidationProblem,
)
from fastapi_kit.errors._meaning import Translations, meaning_of

INVALID = ValidationProblem([])
BY_GRAVITY: list[tuple[Callable[[], Exception], int]] = [
    (lambda: RuntimeError("hidden"), 500),
    (ServiceUnavailableError, 503),
    (UnauthorizedError, 401),
    (ForbiddenError, 403),
]


def group(*errors: Exception) -> ExceptionGroup[Exception]:
    """As a task group raises it."""
    return ExceptionGroup("hidden", errors)


def status_of(error: Exception, translate: Any = None) -> int:
    """The status that it is answered with."""
    return meaning_of(error, translate or {}, 20).problem.status


@pytest.mark.parametrize(
    ("error", "status", "known"),
    [
        (group(NotFoundError("a"), NotFoundError("b")), 404, True),
        (group(group(group(HTTPException(418)))), 418, True),
        (group(NotFoundError(), ConflictError()), 404, True),
        (group(NotFoundError(), ForbiddenError(), UnauthorizedError()), 401, True),
        (group(NotFoundError(), ServiceUnavailableError(retry_after=3), ForbiddenError()), 503, True),
        (group(NotFoundError(), group(RuntimeError("hidden")), ServiceUnavailableError()), 500, False),
        (group(KeyError("hidden"), RuntimeError("hidden")), 500, False),
    ],
    ids=["alike", "nested", "first of equals", "permission", "server", "one failure", "failures"],
)
def test_a_group_means_what_the_gravest_of_it_does(error: Exception, status: int, *, known: bool) -> None:
    """One failure among client errors is a failure; client errors alone are none."""
    meaning = meaning_of(error, {}, 20)
    assert (meaning.problem.status, meaning.known) == (status, known)
    assert "hidden" not in str(meaning.problem.detail)


@given(st.permutations([NotFoundError, *[make for make, _ in BY_GRAVITY]]), st.integers(1, 5))
def test_the_order_in_a_group_does_not_matter(makes: list[Callable[[], Exception]], count: int) -> None:
    """Of different gravity the gravest is answered, wherever it stands."""
    some = makes[:count]
    expected = next((status for make, status in BY_GRAVITY if make in some), 404)
    assert status_of(group(*[make() for make in some])) == expected


class LibraryError(Exception):
    """An exception that knows nothing of HTTP."""


class TimedOut(LibraryError):  # noqa: N818 - as libraries name them
    """One of its kinds."""


def test_a_translation_says_what_a_librarys_exception_means() -> None:
    """By its class or the nearest base of it, in a group as well; what it gives `None` for stays a failure."""
    translate: Translations = {
        LibraryError: lambda error: ConflictError("Taken.") if error.args == ("taken",) else None,
        TimedOut: lambda _: ServiceUnavailableError("Later.", retry_after=2),
    }
    assert status_of(LibraryError("taken"), translate) == 409
    assert status_of(TimedOut("taken"), translate) == 503
    assert status_of(group(TimedOut(), LibraryError("taken")), translate) == 503
    other = meaning_of(LibraryError("hidden"), translate, 20)
    assert (other.problem.status, other.known) == (500, False)
    assert meaning_of(TimedOut(), translate, 20).name == "ServiceUnavailableError"


def test_a_problem_is_not_translated() -> None:
    """It says what it means itself."""
    translate: Translations = {Exception: lambda _: ConflictError()}
    assert status_of(NotFoundError(), translate) == 404


def test_a_translation_that_fails_leaves_a_failure_with_a_note() -> None:
    """The answer does not fail with it, and the one traceback tells."""

    def broken(_: Exception) -> Problem:
        raise KeyError("hidden")

    error = LibraryError()
    meaning = meaning_of(error, {LibraryError: broken}, 20)
    assert (meaning.problem.status, meaning.known) == (500, False)
    assert error.__notes__ == ["What this means for a client could not be told: KeyError"]


def test_a_large_group_is_read_in_part() -> None:
    """A bounded time, however many tasks have failed."""
    errors: list[Exception] = [NotFoundError() for _ in range(1_000)]
    assert status_of(group(*errors, RuntimeError())) == 404
