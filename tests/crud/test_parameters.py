"""Query strings become list requests, or all the errors that are in them."""

import pytest

from fastapi_kit.crud import Query
from fastapi_kit.crud._parameters import QueryReader, refuse_parameters
from fastapi_kit.crud._query import compile_query
from fastapi_kit.crud._requests import ListRequest
from fastapi_kit.crud._resource import Schemas, describe
from fastapi_kit.errors import ValidationProblem
from tests.crud.library import City


@pytest.fixture(scope="module")
def grammar() -> QueryReader:
    """Reads all that can be asked of cities."""
    resource = describe(City, Schemas(), ())
    return QueryReader(compile_query(Query(), resource.mapped, resource.visible, {}))


def read(grammar: QueryReader, query: bytes) -> ListRequest:
    """What a query string asks for."""
    return grammar.list(query, frozenset())


def test_nothing_asks_for_the_first_page(grammar: QueryReader) -> None:
    """An empty query string, or one of separators, is the default request."""
    for query in (b"", b"&&"):
        asked = read(grammar, query)
        assert (asked.limit, asked.offset, asked.values) == (20, 0, {})
        assert asked.shape.filters == ()
        assert [(term.attribute.name, term.descending) for term in asked.shape.order] == [("id", False)]


def test_pages_are_offsets(grammar: QueryReader) -> None:
    """Page three of seven begins after fourteen."""
    asked = read(grammar, b"page=3&limit=7")
    assert (asked.limit, asked.offset) == (7, 14)


def test_requests_of_one_shape_differ_in_values_only(grammar: QueryReader) -> None:
    """What a client sends as a value, or in which order, is in no statement."""
    first = read(grammar, b"name=a&population__gte=1&sort=-name&page=1")
    second = read(grammar, b"page=9&sort=-name&population__gte=2&name__eq=b&limit=3")
    assert first.shape == second.shape
    assert hash(first.shape) == hash(second.shape)
    assert first.values["name__eq"] == "a"
    assert second.values["name__eq"] == "b"
    assert read(grammar, b"elevation__isnull=true").shape != read(grammar, b"elevation__isnull=false").shape


@pytest.mark.parametrize(
    ("query", "values"),
    [
        (b"id__in=1,2&id__in=3", [1, 2, 3]),
        (b"name__in=a,b&name__in=c", ["a,b", "c"]),
        (b"name__in=", [""]),
        (b"name__in=%C3%A9+x", ["é x"]),
    ],
    ids=["commas", "text", "empty-text", "encoded"],
)
def test_lists_split_where_no_value_holds_a_comma(grammar: QueryReader, query: bytes, values: list[object]) -> None:
    """Numbers may come by comma or repeated, text only repeated."""
    (asked,) = [value for name, value in read(grammar, query).values.items() if name.endswith("__in")]
    assert asked == values


@pytest.mark.parametrize(
    ("query", "errors"),
    [
        (b"name=\xff", [("", "value_error")]),
        (b"name=%FF", [("", "value_error")]),
        (b"&".join([b"id__in=1"] * 1001), [("", "too_long")]),
        (b"id__in=" + b",".join([b"1"] * 101), [("id__in", "too_long")]),
        (b"id__in=1,,2", [("id__in", "int_parsing")]),
        (b"page=0&page=1", [("page", "value_error"), ("page", "value_error")]),
        (b"name=a&name__eq=b", [("name__eq", "value_error")]),
        (b"n" * 100 + b"=1", [("n" * 64, "extra_forbidden")]),
        (b"limit=101", [("limit", "value_error")]),
        (b"count=all", [("count", "enum")]),
    ],
    ids=["raw", "not-utf-8", "parameters", "values", "gap", "repeated", "two-forms", "long-name", "limit", "count"],
)
def test_errors_have_a_place_and_a_type(grammar: QueryReader, query: bytes, errors: list[tuple[str, str]]) -> None:
    """What is wrong is named by the parameter that was sent."""
    with pytest.raises(ValidationProblem) as caught:
        read(grammar, query)
    assert sorted((error["loc"][1], error["type"]) for error in caught.value.errors) == errors


def test_parameters_of_dependencies_are_passed_over(grammar: QueryReader) -> None:
    """What belongs to others is neither read nor refused."""
    assert grammar.list(b"trace=1&trace=2&name=a", frozenset({"trace"})).values["name__eq"] == "a"
    refuse_parameters(b"trace=1", {"trace"})
    with pytest.raises(ValidationProblem):
        refuse_parameters(b"trace=1&page=1", {"trace"})
