"""Bodies, from values to bytes."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, SecretStr

from fastapi_kit.errors import ConflictError, Problem, ValidationProblem
from fastapi_kit.errors._body import encode, legacy_members, problem_members


class Model(BaseModel):
    """A pydantic model as extension."""

    text: str


@dataclass
class Data:
    """A dataclass as extension."""

    text: str


def test_members_are_those_of_rfc_9457_then_the_extensions() -> None:
    """The standard members come first; those without a value are left out."""
    problem = ConflictError("Taken.", instance="urn:x:1", extensions={"fields": ["name"]})
    assert problem_members(problem, request_id="r1", max_errors=20) == {
        "type": "about:blank",
        "title": "Conflict",
        "status": 409,
        "detail": "Taken.",
        "instance": "urn:x:1",
        "request_id": "r1",
        "fields": ["name"],
    }
    assert set(problem_members(Problem(), request_id=None, max_errors=20)) == {"type", "title", "status", "detail"}


def test_errors_of_a_validation_are_cut_and_counted() -> None:
    """As many errors are shown as asked for; the total is of all."""
    problem = ValidationProblem([{"loc": ["body", n], "msg": "No", "type": "t"} for n in range(50)])
    members = problem_members(problem, request_id=None, max_errors=3)
    assert [error["loc"] for error in members["errors"]] == [["body", 0], ["body", 1], ["body", 2]]
    assert members["errors_total"] == 50


def test_legacy_members_are_the_reference_three() -> None:
    """`error`, `detail`, `timestamp`; the errors of a validation are its detail."""
    now = datetime(2026, 11, 22, 12, tzinfo=UTC)
    assert legacy_members(Problem("Broken."), "Problem", now=now, max_errors=20) == {
        "error": "Problem",
        "detail": "Broken.",
        "timestamp": "2026-11-22T12:00:00+00:00",
    }
    error: Any = {"loc": ["body"], "msg": "No", "type": "t"}
    members = legacy_members(ValidationProblem([error, error]), "ValidationError", now=now, max_errors=1)
    assert (members["detail"], members["errors_total"]) == ([error], 2)


ODD_VALUES: dict[str, tuple[Any, Any]] = {
    "NaN": (float("nan"), None),
    "infinity": (float("inf"), None),
    "lone surrogate": ("a\ud800b", "a?b"),
    "surrogate in a name": ({"\udfff": 1}, {"?": 1}),
    "surrogate in a model": ([Model(text="\ud800")], [{"text": "?"}]),
    "surrogate in a dataclass": ({"data": Data("\ud800")}, {"data": {"text": "?"}}),
    "bytes": (b"\xff", "<bytes>"),
    "object": (object(), "<object>"),
    "exception": (ValueError("hidden"), "<ValueError>"),
    "secret": (SecretStr("hidden"), "**********"),
    "instant": (datetime(2026, 1, 1, tzinfo=UTC), "2026-01-01T00:00:00Z"),
    "decimal": (Decimal("1.50"), "1.50"),
    "set": ({1}, [1]),
}


@pytest.mark.parametrize(("value", "expected"), ODD_VALUES.values(), ids=ODD_VALUES)
def test_odd_values_become_json(value: Any, expected: Any) -> None:
    """A value without a JSON form is replaced, never a reason to fail."""
    assert json.loads(encode({"value": value}, dict))["value"] == expected


def test_value_that_cannot_be_written_leaves_the_minimal_body() -> None:
    """A list inside itself gives up the extensions, not the answer."""
    circle: list[Any] = []
    circle.append(circle)
    assert json.loads(encode({"value": circle}, lambda: {"status": 500})) == {"status": 500}


@settings(deadline=None)  # a loaded machine is no failure
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.characters(codec=None) | st.text() | st.binary(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters(codec=None)), inner),
    )
)
def test_every_value_has_a_body(value: Any) -> None:
    """Law: the body is JSON in UTF-8, strict as browsers take it, for any value whatsoever."""
    body = encode({"status": 400, "value": value}, dict)

    def refuse(constant: str) -> None:
        raise AssertionError(constant)

    assert json.loads(body.decode("utf-8", "strict"), parse_constant=refuse)["status"] == 400
