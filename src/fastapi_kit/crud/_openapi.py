"""How a resource's routes are described in OpenAPI.

The endpoints take only the request, so FastAPI cannot see their parameters and bodies: they are described here, from
the same description by which requests are read.
"""

from collections.abc import Collection, Iterator, Sequence
from typing import Any

from pydantic import BaseModel, TypeAdapter

from fastapi_kit._json_schema import inline
from fastapi_kit.crud._body_schema import body_schema
from fastapi_kit.crud._query import MOST_VALUES, Filter, ListGrammar
from fastapi_kit.crud._resource import Resource
from fastapi_kit.errors import (
    ConflictError,
    ContentTooLargeError,
    NotFoundError,
    Problem,
    ServiceUnavailableError,
    UnsupportedMediaTypeError,
    ValidationProblem,
    raises,
)
from fastapi_kit.pagination import MAX_PAGE

_METHODS = {"list": "GET", "get": "GET", "create": "POST", "replace": "PUT", "update": "PATCH", "delete": "DELETE"}
_STATUS = {"create": 201, "delete": 204}
_DESCRIPTIONS = {
    "list": "One page. Filters all have to hold; a parameter that is not named here is refused.",
    "get": "By its key.",
    "create": "Answers it as it was stored, with its address in `Location`.",
    "replace": "Writes every field; what is left out gets its default.",
    "update": "Writes the fields that are sent and leaves the others as they are (merge patch, RFC 7396).",
    "delete": "For good.",
}
_WRITES: Sequence[type[Problem]] = (ConflictError, ContentTooLargeError, UnsupportedMediaTypeError)


class Documentation:
    """Describes the routes of one resource."""

    def __init__(self, resource: Resource, grammar: ListGrammar) -> None:
        self._resource = resource
        self._grammar = grammar
        self._title = resource.name.replace("_", " ")

    def route(self, operation: str) -> dict[str, Any]:
        """The arguments of `add_api_route` for an operation, apart from its endpoint and dependencies."""
        resource = self._resource
        of_row = operation not in {"list", "create"}
        return {
            "path": f"/{{{resource.key.name}}}" if of_row else "",
            "methods": [_METHODS[operation]],
            "name": f"{operation}_{resource.name}",
            "summary": f"{operation.capitalize()} {self._title}",
            "description": _DESCRIPTIONS[operation],
            "status_code": _STATUS.get(operation, 200),
            "response_model": self._answer(operation),
            "responses": raises(*self._problems(operation)),
            "openapi_extra": self._extra(operation, of_row=of_row),
        }

    def _answer(self, operation: str) -> type[BaseModel] | None:
        if operation == "delete":
            return None
        return self._resource.output.page if operation == "list" else self._resource.output.model

    def _problems(self, operation: str) -> Iterator[type[Problem]]:
        if operation not in {"list", "create"}:
            yield NotFoundError
        if operation in self._resource.inputs:
            yield from _WRITES
        elif operation == "delete":
            yield ConflictError
        yield ValidationProblem
        yield ServiceUnavailableError

    def _extra(self, operation: str, *, of_row: bool) -> dict[str, Any]:
        extra: dict[str, Any] = {}
        if of_row:
            key = self._resource.key
            schema = _schema(key.kind.value)
            extra["parameters"] = [{"name": key.name, "in": "path", "required": True, "schema": schema}]
        if operation == "list":
            extra["parameters"] = list(self._list_parameters())
        if operation in self._resource.inputs:
            schema = body_schema(self._resource.inputs[operation])
            kinds = ["application/json"]
            if operation == "update":
                kinds.append("application/merge-patch+json")
            extra["requestBody"] = {"required": True, "content": {kind: {"schema": schema} for kind in kinds}}
        return extra

    def _list_parameters(self) -> Iterator[dict[str, Any]]:
        grammar = self._grammar
        page = {"type": "integer", "minimum": 1, "maximum": MAX_PAGE, "default": 1}
        yield _query_parameter("page", page, "Page number, from 1")
        limit = {"type": "integer", "minimum": 1, "maximum": grammar.max_limit, "default": grammar.limit}
        yield _query_parameter("limit", limit, "Items per page")
        if grammar.sortable:
            pattern = {"type": "string", "pattern": _sort_pattern(grammar.sortable)}
            yield _query_parameter("sort", pattern, "Columns to sort by, each once; `-` for descending")
        count = {"type": "string", "enum": ["none", "capped", "exact"], "default": grammar.count}
        yield _query_parameter("count", count, "How the total is counted")
        for parameter, found in grammar.filters.items():
            if parameter == found.parameter:
                yield _query_parameter(parameter, _filter_schema(found), _filter_description(found, grammar))


def _sort_pattern(sortable: Collection[str]) -> str:
    """Names by comma, each with or without `-`, and none of them a second time in either form."""
    names = "|".join(sorted(sortable))
    twice = r"(.*[,-])?([^,-]+),(.*[,-])?\2(,|$)"
    return f"^(?!{twice})-?({names})(,-?({names})){{0,{len(sortable) - 1}}}$"


def _query_parameter(name: str, schema: dict[str, Any], description: str) -> dict[str, Any]:
    return {"name": name, "in": "query", "required": False, "schema": schema, "description": description}


def _filter_schema(found: Filter) -> dict[str, Any]:
    value = _schema(found.annotation)
    return {"type": "array", "items": value, "maxItems": MOST_VALUES} if found.many else value


_MEANINGS = {
    "eq": "equals this value",
    "ne": "differs from this value, or is null",
    "in": "is one of these values",
    "not_in": "is none of these values, or is null",
    "lt": "is less than this value",
    "lte": "is at most this value",
    "gt": "is greater than this value",
    "gte": "is at least this value",
    "contains": "contains this text",
    "icontains": "contains this text, in upper or lower case",
    "startswith": "begins with this text",
    "isnull": "is null, or is not",
}


def _filter_description(found: Filter, grammar: ListGrammar) -> str:
    name = found.attribute.name
    short = f"; also `{name}`" if found.operator == "eq" and name in grammar.filters else ""
    return f"`{name}` {_MEANINGS[found.operator]}{short}"


def _schema(annotation: Any) -> dict[str, Any]:
    return inline(TypeAdapter[Any](annotation).json_schema())
