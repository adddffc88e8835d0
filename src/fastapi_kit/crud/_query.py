"""What a list may be asked for: declared by the user, compiled to the parameters that a request may carry."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal, cast

from pydantic import TypeAdapter

from fastapi_kit.crud._attributes import Attribute
from fastapi_kit.crud._errors import ResourceError

Parse = Callable[[str], Any]

CountMode = Literal["none", "capped", "exact"]

COUNT_CAP = 10_000
"""Where a capped count stops."""
MOST_VALUES = 100
"""Values at most of one list operator."""
LARGEST_LIMIT = 1_000
RESERVED = frozenset({"limit", "page", "sort", "cursor", "count", "fields", "include", "search"})
"""Parameters that have a meaning of their own; a column of such a name has only the long form, `limit__eq`."""


@dataclass(frozen=True)
class Query:
    """What a list may be filtered and sorted by, and how long its pages are.

    Args:
        filter: Operators by column, such as `{"title": TEXT, "price": RANGE, "state": {"eq", "in"}}`. `None`: every
            column that clients can read, by every operator of its type. On a large table declare what has an index.
        sort: Columns that clients may sort by; `None`: every one that they can read and that has an order.
        default_sort: The order of a list that asks for none, in the grammar of the parameter: `-created_at,title`.
            Empty: by key. The key always comes last, so that the order is total.
        limit: Items per page, if a request does not say.
        max_limit: Items per page at most, and at most 1,000.
        count: How the total is counted, if a request does not say: `exact` costs as much as reading every match,
            `capped` stops at 10,000, `none` leaves it out.
    """

    filter: Mapping[str, Collection[str]] | None = None
    sort: Collection[str] | None = None
    default_sort: str = ""
    limit: int = 20
    max_limit: int = 100
    count: CountMode = "capped"

    def __post_init__(self) -> None:
        if not 1 <= self.limit <= self.max_limit <= LARGEST_LIMIT:
            raise ResourceError(
                f"1 <= limit <= max_limit <= {LARGEST_LIMIT} does not hold: {self.limit}, {self.max_limit}"
            )


@dataclass(frozen=True, eq=False)
class Filter:
    """One declared filter: a column, an operator, and how its value is read."""

    parameter: str
    """`population__gte`."""
    attribute: Attribute
    operator: str
    annotation: Any
    """The type of one value, for OpenAPI."""
    parse: Parse
    """Reads one value from the query string; raises `pydantic.ValidationError`."""

    @property
    def many(self) -> bool:
        """Whether the parameter may be repeated, each time with one more value."""
        return self.operator in {"in", "not_in"}


@dataclass(frozen=True)
class Order:
    """One term of an order."""

    attribute: Attribute
    descending: bool


@dataclass(frozen=True)
class ListGrammar:
    """A `Query`, compiled: everything that a list request of one resource may say."""

    filters: Mapping[str, Filter]
    """By parameter, in the long form and the short one."""
    sortable: Mapping[str, Attribute]
    key: Attribute
    default_order: tuple[Order, ...]
    limit: int
    max_limit: int
    count: CountMode


def read_order(text: str, sortable: Mapping[str, Attribute], key: Attribute) -> tuple[Order, ...]:
    """Read a `sort` parameter: names by comma, `-` for descending; the key is added as the last, so the order is total.

    Raises:
        KeyError: It names a column that cannot be sorted by, or one twice; the argument is the term.
    """
    terms: dict[str, Order] = {}
    for term in text.split(",") if text else []:
        name = term.removeprefix("-")
        if name in terms or name not in sortable:
            raise KeyError(term)
        terms[name] = Order(sortable[name], term.startswith("-"))
    terms.setdefault(key.name, Order(key, descending=False))
    return tuple(terms.values())


def compile_query(query: Query, visible: Mapping[str, Attribute], key: Attribute) -> ListGrammar:
    """Check `query` against the columns that clients can see, and prepare it.

    Raises:
        ResourceError: It names a column or operator that there is not; the message names those that there are.
    """
    declared = query.filter
    if declared is None:
        declared = {name: column.kind.operators for name, column in visible.items() if column.kind.operators}
    if query.sort is None:
        sortable = {name: attribute for name, attribute in visible.items() if attribute.kind.sortable}
    else:
        sortable = {name: _sortable(name, visible) for name in query.sort}
    try:
        # The server's own order may use any column, also those that clients may not choose.
        default_order = read_order(query.default_sort, visible, key)
    except KeyError as error:
        raise ResourceError(f"default_sort: {error} is there twice, or none of {_list(visible)}") from None
    return ListGrammar(
        filters=MappingProxyType(_filters(declared, visible)),
        sortable=MappingProxyType(sortable),
        key=key,
        default_order=default_order,
        limit=query.limit,
        max_limit=query.max_limit,
        count=query.count,
    )


def _sortable(name: str, visible: Mapping[str, Attribute]) -> Attribute:
    attribute = _visible(name, visible)
    if not attribute.kind.sortable:
        raise ResourceError(f"{name}: a column of type {attribute.column.type!r} has no order")
    return attribute


def _visible(name: str, visible: Mapping[str, Attribute]) -> Attribute:
    if name not in visible:
        raise ResourceError(f"{name!r} is no column that clients can read; those are {_list(visible)}")
    return visible[name]


def _filters(declared: Mapping[str, Collection[str]], visible: Mapping[str, Attribute]) -> dict[str, Filter]:
    filters: dict[str, Filter] = {}
    for name, operators in declared.items():
        attribute = _visible(name, visible)
        # A declared set such as RANGE holds `isnull`, which a column that is never null has no use for.
        unknown = set(operators) - attribute.kind.operators - {"isnull"}
        if unknown or not operators:
            raise ResourceError(f"{name}: no operators {_list(unknown)}; there are {_list(attribute.kind.operators)}")
        for operator in sorted(set(operators) & attribute.kind.operators):
            made = _filter(attribute, operator)
            filters[made.parameter] = made
            if operator == "eq" and name not in RESERVED:
                filters[name] = made
    return filters


def text_parser(annotation: Any) -> Parse:
    """Reads a value of the type `annotation` from text; raises `pydantic.ValidationError`."""
    # The stubs know mappings of text alone, where text itself is taken as well.
    parse: Any = TypeAdapter[Any](annotation).validator.validate_strings
    return cast("Parse", parse)


def _filter(attribute: Attribute, operator: str) -> Filter:
    annotation = bool if operator == "isnull" else attribute.kind.value
    return Filter(
        parameter=f"{attribute.name}__{operator}",
        attribute=attribute,
        operator=operator,
        annotation=annotation,
        parse=text_parser(annotation),
    )


def _list(names: Collection[str]) -> str:
    return ", ".join(sorted(names))
