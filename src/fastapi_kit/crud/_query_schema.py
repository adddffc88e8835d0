"""The query parameters of lists and rows, as OpenAPI describes them."""

from collections.abc import Collection, Iterator
from typing import Any

from pydantic import TypeAdapter

from fastapi_kit._json_schema import inline
from fastapi_kit.crud._engine import Engine
from fastapi_kit.crud._filters import MOST_VALUES, Filter
from fastapi_kit.crud._parameters import LONGEST_SEARCH, MOST_WORDS
from fastapi_kit.crud._query import ListGrammar
from fastapi_kit.crud._reader import BLANKS
from fastapi_kit.pagination import LONGEST_CURSOR, MAX_PAGE

Parameter = dict[str, Any]

_DELETED = {"type": "string", "enum": ["exclude", "include", "only"], "default": "exclude"}
_SEARCH = {
    "type": "string",
    "maxLength": LONGEST_SEARCH,
    "pattern": f"^[{BLANKS}]*[^{BLANKS}\\u0000]+([{BLANKS}]+[^{BLANKS}\\u0000]+){{0,{MOST_WORDS - 1}}}[{BLANKS}]*$",
}
_CURSOR = {"type": "string", "maxLength": LONGEST_CURSOR, "pattern": "^[A-Za-z0-9_-]+$"}


def list_parameters(engine: Engine) -> Iterator[Parameter]:
    """The parameters of a list."""
    grammar = engine.grammar
    budget = grammar.budget
    page = {"type": "integer", "minimum": 1, "maximum": MAX_PAGE, "default": 1}
    yield query_parameter("page", page, "Page number, from 1")
    limit = {"type": "integer", "minimum": 1, "maximum": budget.max_limit, "default": budget.limit}
    yield query_parameter("limit", limit, "Items per page")
    yield query_parameter("cursor", _CURSOR, "`next_cursor` or `previous_cursor` of another page; instead of `page`")
    count = {"type": "string", "enum": ["none", "capped", "exact"], "default": budget.count}
    yield query_parameter("count", count, "How the total is counted; not at all after a cursor, unless asked for")
    yield from export_parameters(engine)
    if grammar.includes:
        yield _include(grammar)


def export_parameters(engine: Engine) -> Iterator[Parameter]:
    """The parameters of a list without pages."""
    grammar = engine.grammar
    if grammar.sortable:
        pattern = {"type": "string", "pattern": _sort_pattern(grammar.sortable)}
        yield query_parameter("sort", pattern, "Columns to sort by, each once; `-` for descending")
    if grammar.search:
        columns = ", ".join(".".join((*it.path, it.attribute.name)) for it in grammar.search)
        yield query_parameter("search", _SEARCH, f"Words, each of which is in one of: {columns}")
    if grammar.fields:
        yield _fields(grammar)
    if engine.sees_deleted:
        yield query_parameter("deleted", _DELETED, "Whether deleted ones are meant")
    for parameter, found in grammar.filters.items():
        if parameter == found.parameter:
            yield query_parameter(parameter, _filter_schema(found), _filter_description(found, grammar))


def row_parameters(engine: Engine) -> Iterator[Parameter]:
    """The parameters of one row."""
    grammar = engine.grammar
    if grammar.fields:
        yield _fields(grammar)
    if grammar.includes:
        yield _include(grammar)
    if engine.sees_deleted:
        yield query_parameter("deleted", _DELETED, "Whether a deleted one is meant")


def query_parameter(name: str, schema: dict[str, Any], description: str) -> Parameter:
    """One optional parameter."""
    return {"name": name, "in": "query", "required": False, "schema": schema, "description": description}


def _fields(grammar: ListGrammar) -> Parameter:
    schema = _names(grammar.fields, len(grammar.fields))
    return query_parameter("fields", schema, "Some fields alone, each once")


def _include(grammar: ListGrammar) -> Parameter:
    most = min(len(grammar.includes), grammar.budget.max_includes)
    return query_parameter("include", _names(grammar.includes, most), "Related rows to have as well, each once")


def _names(names: Collection[str], most: int) -> dict[str, Any]:
    one = "|".join(sorted(names))
    return {"type": "string", "pattern": rf"^(?!(.*,)?([^,]+),(.*,)?\2(,|$))({one})(,({one})){{0,{most - 1}}}$"}


def _sort_pattern(sortable: Collection[str]) -> str:
    """Names by comma, each with or without `-`, and none of them a second time in either form."""
    names = "|".join(sorted(sortable))
    twice = r"(.*[,-])?([^,-]+),(.*[,-])?\2(,|$)"
    return f"^(?!{twice})-?({names})(,-?({names})){{0,{len(sortable) - 1}}}$"


def _filter_schema(found: Filter) -> dict[str, Any]:
    value = inline(TypeAdapter[Any](found.annotation).json_schema())
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
    if found.target is None:
        return "A filter of this resource alone"
    name = ".".join((*found.target.path, found.target.attribute.name))
    short = f"; also `{name}`" if found.operator == "eq" and name in grammar.filters else ""
    related = "; one related row is enough" if any(it.relationship.uselist for it in found.target.steps) else ""
    return f"`{name}` {_MEANINGS[found.operator]}{short}{related}"
