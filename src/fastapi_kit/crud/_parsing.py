"""Values from what a client sent, and what is wrong with them in FastAPI's form."""

from collections.abc import Callable
from typing import Any, TypeVar, cast

from pydantic import TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from fastapi_kit.errors import FieldError, ValidationProblem

T = TypeVar("T")

Parse = Callable[[str], Any]
"""Reads a value from text; raises `pydantic.ValidationError`."""

_MOST = 1_000
"""Errors that are kept, more than any answer shows: a body of a megabyte can have a hundred thousand."""


def text_parser(annotation: Any) -> Parse:
    """A reader of values of the type `annotation`."""
    # The stubs know mappings of text alone, where text itself is taken as well.
    parse: Any = TypeAdapter[Any](annotation).validator.validate_strings
    return cast("Parse", parse)


def valid(make: Callable[[], T], *place: str | int) -> T:
    """What `make` makes of a body, or of the part of it at `place`.

    Raises:
        ValidationProblem: It raises `pydantic.ValidationError`.
    """
    try:
        return make()
    except ValidationError as error:
        raise ValidationProblem(field_errors(error, "body", *place), total=error.error_count()) from error


def field_errors(error: ValidationError, *place: str | int) -> list[FieldError]:
    """The first errors in FastAPI's form: with the input, which whoever writes the answer keeps out of it."""
    found = error.errors(include_url=False)[:_MOST]
    return [cast("FieldError", {**_without_document(each), "loc": (*place, *each["loc"])}) for each in found]


def _without_document(error: ErrorDetails) -> dict[str, Any]:
    """An error of JSON itself is about no value in it, and its message is the parser's own."""
    return {name: value for name, value in error.items() if name != "input" or error["type"] != "json_invalid"}
