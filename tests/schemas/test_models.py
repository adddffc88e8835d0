"""The bases of request and response models."""

from datetime import UTC, datetime, timedelta, timezone
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest
from pydantic import ValidationError

from fastapi_kit.schemas import BaseResponse, Schema

WIDEST = timezone(timedelta(hours=14))


class City(Schema):
    """A city as a client sends it."""

    name: str
    area: float = 1.0


@pytest.mark.parametrize(
    ("payload", "kind"),
    [
        pytest.param({"name": "Oslo", "id": 1}, "extra_forbidden", id="unknown field"),
        pytest.param({"name": "\ud800"}, "string_unicode", id="lone surrogate"),
        pytest.param({"name": "Oslo", "area": float("nan")}, "finite_number", id="not a number"),
        pytest.param({"name": "Oslo", "area": "inf"}, "finite_number", id="infinite"),
    ],
)
def test_refuses_what_json_cannot_carry_or_the_model_does_not_have(payload: dict[str, Any], kind: str) -> None:
    """Unknown fields, lone surrogates and numbers that are not finite are errors of the input."""
    with pytest.raises(ValidationError) as caught:
        City.model_validate(payload)
    assert [error["type"] for error in caught.value.errors()] == [kind]


def test_reads_only_its_own_fields_of_an_object() -> None:
    """A row with more columns than the model has fields gives just the fields."""
    row = SimpleNamespace(name="Oslo", area=454.0, secret="hidden")
    assert City.model_validate(row).model_dump() == {"name": "Oslo", "area": 454.0}


def test_strictness_adds_nothing_to_the_schema_of_text() -> None:
    """The refusal of surrogates shows no bound that a client would have to know."""
    assert City.model_json_schema()["properties"]["name"] == {"title": "Name", "type": "string"}


def test_response_makes_id_and_time_stamps() -> None:
    """A response without them gets a random UUID and the current time, aware and in UTC."""
    before = datetime.now(UTC)
    response = BaseResponse()
    assert UUID(response.id).version == 4
    assert before <= response.created_at <= response.updated_at <= datetime.now(UTC)
    assert response.created_at.tzinfo is UTC


@pytest.mark.parametrize(
    ("key", "text"),
    [(7, "7"), ("no", "no"), (UUID(int=1), "00000000-0000-0000-0000-000000000001")],
    ids=["integer", "text", "uuid"],
)
def test_response_takes_keys_of_any_type(key: object, text: str) -> None:
    """Keys come out as text."""
    assert BaseResponse.model_validate({"id": key}).id == text


def test_response_refuses_a_truth_value_as_key() -> None:
    """A `bool` is an `int` to Python but no key."""
    with pytest.raises(ValidationError):
        BaseResponse.model_validate({"id": True})


@pytest.mark.parametrize(
    "stored",
    [
        pytest.param(datetime(2026, 1, 1, 12, tzinfo=UTC), id="utc"),
        pytest.param(datetime(2026, 1, 1, 12), id="naive"),  # noqa: DTZ001 -- what a database without time zones gives
        pytest.param(datetime(2026, 1, 2, 2, tzinfo=WIDEST), id="offset"),
    ],
)
def test_response_time_stamps_are_in_utc(stored: datetime) -> None:
    """Aware stamps are converted, naive ones taken to be in UTC, and both end in `Z`."""
    row = SimpleNamespace(id="1", created_at=stored, updated_at=stored)
    assert '"created_at":"2026-01-01T12:00:00Z"' in BaseResponse.model_validate(row).model_dump_json()


def test_response_leaves_out_what_it_does_not_have() -> None:
    """A dict with more than the fields is cut to them, so that nothing else is sent."""
    assert set(BaseResponse.model_validate({"password": "x"}).model_dump()) == {"id", "created_at", "updated_at"}
