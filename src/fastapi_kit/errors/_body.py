"""The bodies of errors, from values to bytes."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import fields, is_dataclass
from datetime import datetime
from typing import Any, cast

from pydantic import BaseModel
from pydantic_core import to_json

from fastapi_kit.errors._problem import Problem, ValidationProblem
from fastapi_kit.errors._validation import field_errors

PROBLEM_JSON = "application/problem+json"
JSON = "application/json"


def problem_members(
    problem: Problem, *, request_id: str | None, max_errors: int, uri: str | None = None
) -> dict[str, Any]:
    """The members of a problem body: those of RFC 9457, the request id, then the extensions.

    `instance` is there only where the problem names one. The request's path would be no better: it names the
    resource, not this occurrence (section 3.1.5), and repeats what the client sent. The request id does name the
    occurrence.
    """
    members: dict[str, Any] = {
        "type": uri or problem.type,
        "title": problem.title,
        "status": problem.status,
        "detail": problem.detail,
    }
    if problem.instance is not None:
        members["instance"] = problem.instance
    if request_id is not None:
        members["request_id"] = request_id
    return members | problem.extensions | _shown_errors(problem, max_errors)


def legacy_members(problem: Problem, name: str, *, now: datetime, max_errors: int) -> dict[str, Any]:
    """The reference's body: `error`, `detail` (of a validation the list of its errors), `timestamp`."""
    shown = _shown_errors(problem, max_errors)
    detail = shown.pop("errors", problem.detail)
    return {"error": name, "detail": detail, "timestamp": now.isoformat()} | problem.extensions | shown


def _shown_errors(problem: Problem, max_errors: int) -> dict[str, Any]:
    if not isinstance(problem, ValidationProblem):
        return {}
    return {"errors": field_errors(problem.errors, max_errors), "errors_total": problem.total}


def encode(members: Mapping[str, Any], minimal: Callable[[], Mapping[str, Any]]) -> bytes:
    """The bytes of a body: JSON that every parser takes, whatever an extension holds.

    NaN and infinities become null, lone surrogates `?`, bytes and objects without a JSON form the name of their
    type. What still cannot be written (a list inside itself) leaves `minimal()`.
    """
    for attempt in (lambda: members, lambda: _clean(members)):
        try:
            return to_json(attempt(), inf_nan_mode="null", fallback=_name_of_type)
        except (ValueError, RecursionError):  # pydantic's serialisation errors are ValueErrors
            continue
    return to_json(minimal())


def _clean(value: Any) -> Any:
    cleaned = value
    match value:
        case str():
            cleaned = value.encode("utf-8", "replace").decode()
        case bytes() | bytearray() | memoryview():
            cleaned = _name_of_type(value)
        case Mapping():
            members = cast("Mapping[object, object]", value)
            cleaned = {_clean(str(key)): _clean(item) for key, item in members.items()}
        case list() | tuple() | set() | frozenset():
            cleaned = [_clean(item) for item in cast("Iterable[object]", value)]
        case BaseModel():
            cleaned = _clean(value.model_dump())
        case _ if is_dataclass(value):
            cleaned = _clean({field.name: getattr(value, field.name) for field in fields(value)})
        case _:
            pass
    return cleaned


def _name_of_type(value: Any) -> str:
    return f"<{type(value).__name__}>"
