"""What a list may be asked for: declared by the user, compiled to the parameters that a request may carry."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal

from fastapi_kit.crud._attributes import Attribute, Mapped
from fastapi_kit.crud._errors import ResourceError
from fastapi_kit.crud._filters import Filter, NamedFilter, Target, compile_filters, targets_of
from fastapi_kit.crud._includes import Related
from fastapi_kit.crud._order import Order, read_order

CountMode = Literal["none", "capped", "exact"]

COUNT_CAP = 10_000
"""Where a capped count stops."""
LARGEST_LIMIT = 1_000


@dataclass(frozen=True)
class Query:
    """What a list may be filtered, searched and sorted by, and how much one request may ask for.

    Args:
        filter: Operators by column, such as `{"title": TEXT, "price": RANGE, "author.name": {"eq", "in"}}`; a dot goes
            through a relationship. A name may also stand for a `NamedFilter`. `None`: every column that clients can
            read, by every operator of its type. On a large table declare what has an index.
        search: Columns of text, `"author.name"` too, in one of which each word of the parameter `search` must be.
        sort: Columns that clients may sort by; `None`: every one that they can read and that has an order.
        default_sort: The order of a list that asks for none, in the grammar of the parameter: `-created_at,title`.
            Empty: by key. The key always comes last, so that the order is total.
        limit: Items per page, if a request does not say.
        max_limit: Items per page at most, and at most 1,000.
        count: How the total is counted, if a request does not say: `exact` costs as much as reading every match,
            `capped` stops at 10,000, `none` leaves it out.
        sparse: Whether clients may ask for some fields alone, by `fields=id,title`. In OpenAPI no field of a row is
            required then.
        max_terms: Filters at most in one request.
        max_includes: Includes at most in one request.
    """

    filter: Mapping[str, Collection[str] | NamedFilter] | None = None
    search: Collection[str] = ()
    sort: Collection[str] | None = None
    default_sort: str = ""
    limit: int = 20
    max_limit: int = 100
    count: CountMode = "capped"
    sparse: bool = False
    max_terms: int = 100
    max_includes: int = 5

    def __post_init__(self) -> None:
        if not 1 <= self.limit <= self.max_limit <= LARGEST_LIMIT:
            raise ResourceError(
                f"1 <= limit <= max_limit <= {LARGEST_LIMIT} does not hold: {self.limit}, {self.max_limit}"
            )


@dataclass(frozen=True)
class ListGrammar:
    """A `Query`, compiled: everything that a list request of one resource may say."""

    filters: Mapping[str, Filter]
    """By parameter, in the long form and the short one."""
    search: tuple[Target, ...]
    sortable: Mapping[str, Attribute]
    fields: Mapping[str, Attribute]
    """What may be asked for alone; empty if nothing may."""
    includes: Mapping[str, Related]
    keys: tuple[Attribute, ...]
    default_order: tuple[Order, ...]
    budget: Query = field(default_factory=Query)
    """The limits."""


def compile_query(
    query: Query, mapped: Mapped, visible: Mapping[str, Attribute], includes: Mapping[str, Related]
) -> ListGrammar:
    """Check `query` against what clients can see, and prepare it.

    Raises:
        ResourceError: It names a column or operator that there is not; the message names those that there are.
    """
    if query.sort is None:
        sortable = {name: attribute for name, attribute in visible.items() if attribute.kind.sortable}
    else:
        sortable = {name: _sortable(name, visible) for name in query.sort}
    try:
        # The server's own order may use any column, also those that clients may not choose.
        default_order = read_order(query.default_sort, visible, mapped.keys)
    except KeyError as error:
        raise ResourceError(f"default_sort: {error} is there twice, or none of {names(visible)}") from None
    return ListGrammar(
        filters=MappingProxyType(compile_filters(query.filter, mapped, visible)),
        search=targets_of(query.search, mapped, visible),
        sortable=MappingProxyType(sortable),
        fields=MappingProxyType(dict(visible) if query.sparse else {}),
        includes=MappingProxyType(dict(includes)),
        keys=mapped.keys,
        default_order=default_order,
        budget=query,
    )


def _sortable(name: str, visible: Mapping[str, Attribute]) -> Attribute:
    if name not in visible:
        raise ResourceError(f"{name!r} is no column that clients can read; those are {names(visible)}")
    if not visible[name].kind.sortable:
        raise ResourceError(f"{name}: a column of type {visible[name].column.type!r} has no order")
    return visible[name]


def names(of: Collection[Any]) -> str:
    """Names for a message."""
    return ", ".join(sorted(of))
