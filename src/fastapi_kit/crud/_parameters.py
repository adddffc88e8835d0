"""Query strings: from bytes to a `ListRequest`, or to every error that there is in them. Pure."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, get_args

from fastapi_kit.crud._query import CountMode, Filter, ListGrammar, Order, read_order
from fastapi_kit.crud._reader import Reader
from fastapi_kit.crud._sql import RAW, escape_like
from fastapi_kit.pagination import MAX_PAGE

LIST_PARAMETERS = frozenset({"page", "limit", "sort", "count"})
_COUNT_MODES: tuple[CountMode, ...] = get_args(CountMode)


@dataclass(frozen=True)
class Shape:
    """What of a list request decides its SQL, apart from the values: requests of one shape share one statement."""

    filters: tuple[str, ...] = ()
    """Filters in use, by parameter, in alphabetical order; of `isnull` with the value."""
    order: tuple[Order, ...] = ()


@dataclass(frozen=True)
class ListRequest:
    """A list that a client asks for."""

    shape: Shape
    values: dict[str, Any]
    """The statement's parameters by name: those of the filters, `limit` and `offset`."""
    limit: int
    offset: int
    count: CountMode


def refuse_parameters(query_string: bytes, foreign: Collection[str]) -> None:
    """See that a request without parameters of its own has only those of its dependencies.

    Raises:
        ValidationProblem: It has others.
    """
    reader = Reader(foreign)
    for name, _ in reader.pairs(query_string):
        reader.unknown(name, ())
    reader.finish()


def read_list(query_string: bytes, grammar: ListGrammar, foreign: Collection[str]) -> ListRequest:
    """Read what a list request asks for.

    Args:
        query_string: As in the ASGI scope.
        grammar: What may be asked for.
        foreign: Parameters that belong to the route's dependencies.

    Raises:
        ValidationProblem: Something in it is unknown, repeated or malformed; all errors at once.
    """
    if not query_string:
        return _request(grammar, {}, (), {})
    reader = Reader(foreign)
    own: dict[str, str] = {}
    given: dict[str, list[tuple[str, str]]] = {}
    for name, text in reader.pairs(query_string):
        found = grammar.filters.get(name)
        if found is not None:
            given.setdefault(found.parameter, []).append((name, text))
            if len(given[found.parameter]) > 1 and not found.many:
                reader.repeated(name)
        elif name not in LIST_PARAMETERS:
            reader.unknown(name, [*LIST_PARAMETERS, *grammar.filters])
        elif name in own:
            reader.repeated(name)
        else:
            own[name] = text
    filters, values = _read_filters(reader, grammar, given)
    asked = _read_own(reader, grammar, own)
    reader.finish()
    return _request(grammar, asked, filters, values)


def _request(
    grammar: ListGrammar, asked: dict[str, Any], filters: tuple[str, ...], values: dict[str, Any]
) -> ListRequest:
    limit = asked.get("limit", grammar.limit)
    offset = (asked.get("page", 1) - 1) * limit
    return ListRequest(
        shape=Shape(filters, asked.get("sort", grammar.default_order)),
        values={**values, "limit": limit, "offset": offset},
        limit=limit,
        offset=offset,
        count=asked.get("count", grammar.count),
    )


def _read_filters(
    reader: Reader, grammar: ListGrammar, given: dict[str, list[tuple[str, str]]]
) -> tuple[tuple[str, ...], dict[str, Any]]:
    shape: list[str] = []
    values: dict[str, Any] = {}
    for parameter, pairs in sorted(given.items()):
        found = grammar.filters[parameter]
        if found.many:
            values[parameter] = reader.values(found, [text for _, text in pairs])
        else:
            name, text = pairs[0]  # an error is told by the form of the name that was sent
            value = reader.value(name, found.parse, text)
            if found.operator == "isnull":
                parameter = f"{parameter}={value}"  # noqa: PLW2901 - IS NULL takes no bind parameter
            else:
                values.update(_bound(found, value))
        shape.append(parameter)
    return tuple(shape), values


def _bound(found: Filter, value: Any) -> dict[str, Any]:
    """The bind parameters of a filter: of a text match the pattern, and where case counts the text itself."""
    parameter = found.parameter
    match found.operator:
        case "contains":
            return {parameter: f"%{escape_like(str(value))}%", parameter + RAW: value}
        case "startswith":
            return {parameter: f"{escape_like(str(value))}%", parameter + RAW: value}
        case "icontains":
            return {parameter: f"%{escape_like(str(value))}%"}
        case _:
            return {parameter: value}


def _read_own(reader: Reader, grammar: ListGrammar, own: dict[str, str]) -> dict[str, Any]:
    asked: dict[str, Any] = {}
    for name, text in own.items():
        match name:
            case "page":
                asked[name] = reader.integer(name, text, MAX_PAGE)
            case "limit":
                asked[name] = reader.integer(name, text, grammar.max_limit)
            case "count":
                asked[name] = reader.one_of(name, text, _COUNT_MODES)
            case _:
                asked[name] = _read_sort(reader, grammar, text)
    return asked


def _read_sort(reader: Reader, grammar: ListGrammar, text: str) -> tuple[Order, ...]:
    try:
        order = read_order(text, grammar.sortable, grammar.key)
    except KeyError:
        order = ()
    if not text or not order:
        names = ", ".join(sorted(grammar.sortable))
        reader.error("sort", "value_error", f"Sort by each of these once, with - for descending: {names}")
    return order
