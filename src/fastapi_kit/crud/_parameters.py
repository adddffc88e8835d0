"""Query strings: from bytes to a `ListRequest`, or to every error that there is in them. Pure."""

import re
from collections.abc import Collection, Mapping, Sequence
from functools import lru_cache
from typing import Any, get_args
from urllib.parse import quote, unquote_plus

from fastapi_kit.crud._attributes import Attribute
from fastapi_kit.crud._conditions import search_parameter
from fastapi_kit.crud._cursors import Cursors
from fastapi_kit.crud._filters import Filter
from fastapi_kit.crud._order import Order, read_order
from fastapi_kit.crud._parsing import text_parser
from fastapi_kit.crud._query import CountMode, ListGrammar
from fastapi_kit.crud._reader import Reader, words_of
from fastapi_kit.crud._requests import WHOLE, DeletedMode, ListRequest, RowRequest, Shape, View, at
from fastapi_kit.crud._sql import RAW, escape_like
from fastapi_kit.errors import NotFoundError
from fastapi_kit.pagination import LONGEST_CURSOR, MAX_PAGE, InvalidCursorError

Given = dict[str, list[tuple[str, str]]]
"""The filters of a query string: each with the names by which it was sent, and the texts."""

_CHOICES: Mapping[str, tuple[str, ...]] = {"count": get_args(CountMode), "deleted": get_args(DeletedMode)}
LONGEST_SEARCH, MOST_WORDS = 200, 10
"""Code points and words at most of one search."""
Keys = Sequence[Any]
MOST_KEYS = 1_000
"""Keys at most of one bulk delete."""

_CURSOR = re.compile(f"[A-Za-z0-9_-]{{1,{LONGEST_CURSOR}}}")
_OF_A_QUERY = "%!$&'()*+,=:@/?"
"""What may stand in a query as it is (RFC 3986, section 3.4), but for `;`, at which clients cut links."""
_LISTS_KEPT, _LONGEST_KEPT = 128, 256
"""Lists that are kept as they were read, and bytes at most of their query strings: clients ask for the same few lists
again and again, and to read one costs more than to find it."""
_PAGING = frozenset({"page", "limit", "cursor", "count"})
_VIEW = frozenset({"fields", "include", "deleted"})


def refuse_parameters(query_string: bytes, foreign: Collection[str]) -> None:
    """See that a request without parameters of its own has only those of its dependencies.

    Raises:
        ValidationProblem: It has others.
    """
    reader = Reader(foreign)
    for name, _ in reader.pairs(query_string):
        reader.unknown(name, ())
    reader.finish()


def row_parameters(grammar: ListGrammar, *, sees_deleted: bool) -> frozenset[str]:
    """The parameters of a request for one row."""
    present = {"fields": grammar.fields, "include": grammar.includes, "deleted": sees_deleted}
    return frozenset(name for name, there in present.items() if there)


def list_parameters(grammar: ListGrammar, *, sees_deleted: bool) -> frozenset[str]:
    """The parameters of a list besides its filters."""
    own = row_parameters(grammar, sees_deleted=sees_deleted) | _PAGING
    return own | {name for name, there in {"sort": grammar.sortable, "search": grammar.search}.items() if there}


class QueryReader:
    """Reads the query strings of one resource.

    Args:
        grammar: What may be asked for.
        sees_deleted: Whether there is a parameter `deleted`.
    """

    def __init__(self, grammar: ListGrammar, *, sees_deleted: bool = False) -> None:
        self._grammar = grammar
        self.cursors = Cursors()
        self._of_row = row_parameters(grammar, sees_deleted=sees_deleted)
        self._of_list = list_parameters(grammar, sees_deleted=sees_deleted)
        self._of_export = self._of_list - _PAGING - {"include"}
        self._most = {"fields": len(grammar.fields), "include": grammar.budget.max_includes}
        self._default = self._request({}, (), {}, ())
        self._kept_list = lru_cache(_LISTS_KEPT)(self._list)

    def row(self, query_string: bytes, foreign: Collection[str]) -> RowRequest:
        """What a request for one row asks for.

        Raises:
            ValidationProblem: Something in it is unknown, repeated or malformed; all errors at once.
        """
        if not query_string:
            return _ROW
        reader = Reader(foreign)
        own, _ = self._collect(reader, query_string, self._of_row, {})
        asked = {name: self._own(reader, name, text) for name, text in own.items()}
        reader.finish()
        return RowRequest(_view(asked), asked.get("deleted", "exclude"))

    def list(self, query_string: bytes, foreign: frozenset[str]) -> ListRequest:
        """What a list request asks for.

        Raises:
            ValidationProblem: Something in it is unknown, repeated or malformed; all errors at once.
            NotFoundError: It has a cursor, which is of no page of this list.
        """
        if not query_string:
            return self._default
        read = self._kept_list if len(query_string) <= _LONGEST_KEPT else self._list
        return read(query_string, foreign, self._of_list)

    def export(self, query_string: bytes, foreign: Collection[str]) -> ListRequest:
        """What a request for all rows asks for.

        Raises:
            ValidationProblem: Something in it is unknown, repeated or malformed; all errors at once.
        """
        return self._list(query_string, foreign, self._of_export)

    def keys(self, query_string: bytes, foreign: Collection[str], attribute: Attribute) -> Keys:
        """The keys of rows, from a parameter that is repeated.

        Raises:
            ValidationProblem: There are none, too many, or something else; all errors at once.
        """
        reader = Reader(foreign)
        parse, found = text_parser(attribute.kind.value), list[Any]()
        for name, text in reader.pairs(query_string):
            if name != attribute.name:
                reader.unknown(name, [attribute.name])
            else:
                found.append(reader.value(name, parse, text))
        if not 1 <= len(found) <= MOST_KEYS:
            reader.error(attribute.name, "value_error", f"Give 1 to {MOST_KEYS} of these")
        reader.finish()
        return tuple(dict.fromkeys(found))

    def build(self, where: Mapping[str, Any], search: str, sort: str, limit: int, deleted: DeletedMode) -> ListRequest:
        """A list request of values in Python, which are taken as they are.

        Raises:
            ValueError: There is no such filter or order.
        """
        filters, values = list[str](), dict[str, Any]()
        for name, value in where.items():
            found = self._grammar.filters.get(name)
            if found is None:
                raise ValueError(f"there is no filter {name!r}; there are {', '.join(self._grammar.filters)}")
            filters.append(f"{found.parameter}={bool(value)}" if found.operator == "isnull" else found.parameter)
            values.update({found.parameter: list(value)} if found.many else bound(found, value))
        try:
            order = read_order(sort, self._grammar.sortable, self._grammar.keys) if sort else ()
        except KeyError as error:
            raise ValueError(f"sort: {error} is there twice, or none of {', '.join(self._grammar.sortable)}") from None
        asked = {"sort": order, "search": words_of(search), "limit": limit, "deleted": deleted, "count": "none"}
        return self._request(asked, tuple(sorted(filters)), values, tuple(f"{k}={v!r}" for k, v in where.items()))

    def _list(self, query_string: bytes, foreign: Collection[str], known: frozenset[str]) -> ListRequest:
        reader = Reader(foreign)
        own, given = self._collect(reader, query_string, known, self._grammar.filters)
        asked = {name: self._own(reader, name, text) for name, text in own.items() if name != "cursor"}
        filters, values = _read_filters(reader, self._grammar.filters, given)
        if len(filters) > self._grammar.budget.max_terms:
            reader.error("", "too_long", f"There may be at most {self._grammar.budget.max_terms} filters")
        texts = tuple(f"{name}={text}" for _, pairs in sorted(given.items()) for name, text in pairs)
        if "cursor" in own:
            asked.setdefault("count", "none")  # the first page has told
        request = self._request(asked, filters, values, texts, _beside(query_string))
        if "cursor" in own:
            return self._positioned(reader, request, own["cursor"], clash="page" in own)
        reader.finish()
        return request

    def _collect(
        self, reader: Reader, query_string: bytes, known: frozenset[str], filters: Mapping[str, Filter]
    ) -> tuple[dict[str, str], Given]:
        own: dict[str, str] = {}
        given: Given = {}
        for name, text in reader.pairs(query_string):
            found = filters.get(name)
            if found is not None:
                given.setdefault(found.parameter, []).append((name, text))
                if len(given[found.parameter]) > 1 and not found.many:
                    reader.repeated(name)
            elif name not in known:
                reader.unknown(name, [*known, *filters])
            elif name in own:
                reader.repeated(name)
            else:
                own[name] = text
        return own, given

    def _own(self, reader: Reader, name: str, text: str) -> Any:
        if name in _CHOICES:
            return reader.one_of(name, text, _CHOICES[name])
        if name in {"page", "limit"}:
            return reader.integer(name, text, MAX_PAGE if name == "page" else self._grammar.budget.max_limit)
        if name == "search":
            return reader.words(name, text, LONGEST_SEARCH, MOST_WORDS)
        if name == "sort":
            return self._sort(reader, text)
        choices = self._grammar.fields if name == "fields" else self._grammar.includes
        return reader.names(name, text, choices, self._most[name])

    def _sort(self, reader: Reader, text: str) -> tuple[Order, ...]:
        sortable = self._grammar.sortable
        try:
            order = read_order(text, sortable, self._grammar.keys)
        except KeyError:
            order = ()
        if not text or not order:
            reader.error(
                "sort",
                "value_error",
                f"Sort by each of these once, with - for descending: {', '.join(sorted(sortable))}",
            )
        return order

    def _request(
        self,
        asked: Mapping[str, Any],
        filters: tuple[str, ...],
        values: dict[str, Any],
        texts: tuple[str, ...],
        beside: str = "",
    ) -> ListRequest:
        budget = self._grammar.budget
        limit = asked.get("limit", budget.limit)
        words: list[str] = asked.get("search") or []
        order = asked.get("sort") or self._grammar.default_order
        deleted: DeletedMode = asked.get("deleted", "exclude")
        return ListRequest(
            shape=Shape(filters, len(words), order, _view(asked)),
            values={**values, **{search_parameter(n): f"%{escape_like(word)}%" for n, word in enumerate(words)}},
            limit=limit,
            offset=(asked.get("page", 1) - 1) * limit,
            count=asked.get("count", budget.count),
            binding=self.cursors.binding(order, deleted, (*texts, *(f"search={word}" for word in words))),
            deleted=deleted,
            beside=beside,
        )

    def _positioned(self, reader: Reader, request: ListRequest, token: str, *, clash: bool) -> ListRequest:
        """The list from the cursor on. One that looks like a cursor, but is of no page of this list, is not found."""
        if not _CURSOR.fullmatch(token):
            reader.error("cursor", "value_error", "Input should be a cursor that a page has given")
        reader.finish()  # what is wrong with the rest comes first
        if clash:
            raise NotFoundError("There is no such page: a number and a cursor name two.")
        try:
            return at(request, self.cursors.decode(token, request.shape.order, request.binding))
        except InvalidCursorError as error:
            raise NotFoundError(f"There is no such page. {error}") from error


_ROW = RowRequest()


def _beside(query_string: bytes) -> str:
    """The query of the pages beside, but for their cursor; empty or with `&` at its end."""
    parts = (part for part in query_string.decode("latin-1").split("&") if part)
    kept = (f"{part}&" for part in parts if unquote_plus(part.partition("=")[0]) not in {"cursor", "page"})
    return quote("".join(kept), safe=_OF_A_QUERY)


def _view(asked: Mapping[str, Any]) -> View:
    fields, includes = asked.get("fields", ()), asked.get("include", ())
    return View(fields, includes) if fields or includes else WHOLE


def _read_filters(
    reader: Reader, filters: Mapping[str, Filter], given: Given
) -> tuple[tuple[str, ...], dict[str, Any]]:
    shape: list[str] = []
    values: dict[str, Any] = {}
    for parameter, pairs in sorted(given.items()):
        found = filters[parameter]
        if found.many:
            values[parameter] = reader.values(found, [text for _, text in pairs])
        else:
            name, text = pairs[0]  # an error is told by the form of the name that was sent
            value = reader.value(name, found.parse, text)
            if found.operator == "isnull":
                parameter = f"{parameter}={value}"  # noqa: PLW2901 - IS NULL takes no bind parameter
            else:
                values.update(bound(found, value))
        shape.append(parameter)
    return tuple(shape), values


def bound(found: Filter, value: Any) -> dict[str, Any]:
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
