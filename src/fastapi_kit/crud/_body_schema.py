"""The JSON schema of a body: what its own schema takes, as far as the columns can hold it.

A given schema is often looser than its columns: an `int` has no bounds, an `Integer` has 32 bits. What it lets through
is refused by the columns' bounds (see `_bodies`), so those belong to the description, too: clients and fuzzers rely on
it. Only fields whose values are stored as they were sent are narrowed: a validator or serialiser may make something
else of them.
"""

from collections.abc import Callable, Mapping
from typing import Any, cast

from fastapi_kit._json_schema import inline
from fastapi_kit.crud._bodies import Input
from fastapi_kit.schemas import kept_fields

_TIGHTER: Mapping[str, Callable[[Any, Any], Any]] = {
    "minimum": max,
    "exclusiveMinimum": max,
    "minLength": max,
    "maximum": min,
    "exclusiveMaximum": min,
    "maxLength": min,
    "maxItems": min,
}
"""Which of two bounds holds where both do."""


def body_schema(body: Input) -> dict[str, Any]:
    """Describe a body, without references."""
    schema = inline(body.model.model_json_schema())
    if body.columns is None:
        return schema
    bounds = inline(body.columns.model_json_schema())["properties"]
    properties: dict[str, Any] = schema["properties"]
    for name in kept_fields(body.model):
        sent_as = body.model.model_fields[name].validation_alias or name
        if isinstance(sent_as, str) and sent_as in properties:
            properties[sent_as] = _narrowed(properties[sent_as], bounds[name])
    return schema


def _narrowed(given: dict[str, Any], column: dict[str, Any]) -> dict[str, Any]:
    """Narrow each alternative of `given` by the one of `column` that has the same type."""
    if "anyOf" in given:
        members = cast("list[dict[str, Any]]", given["anyOf"])
        return {**given, "anyOf": [_narrowed(member, column) for member in members]}
    for other in cast("list[dict[str, Any]]", column.get("anyOf", [column])):
        if "type" in given and given["type"] == other.get("type"):
            return {**given, **{name: _tighter(name, given, value) for name, value in other.items()}}
    return given


def _tighter(keyword: str, given: dict[str, Any], value: Any) -> Any:
    if keyword not in given:
        return value
    return _TIGHTER[keyword](given[keyword], value) if keyword in _TIGHTER else given[keyword]
