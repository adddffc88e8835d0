"""Partial models: any field may be left out, and absent is never null."""

from typing import Annotated, Any, Literal, assert_type, cast

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from hypothesis import given
from hypothesis import strategies as st
from pydantic import (
    BaseModel,
    BeforeValidator,
    Field,
    PrivateAttr,
    RootModel,
    ValidationError,
    ValidationInfo,
    ValidatorFunctionWrapHandler,
    computed_field,
    field_validator,
    model_validator,
)

from fastapi_kit.schemas import Line, Partial, Schema, partial


def stripped(value: object) -> object:
    """Text without surrounding space; fails on anything else, as careless validators do."""
    return str.strip(cast("str", value))


class Stay(Schema):
    """A stay at a hotel, with a validator of every kind that a model can have."""

    guest: Line = Field(alias="guestName", description="Who stays.", examples=["Ann"])
    nights: int = Field(ge=1, le=30)
    free_nights: int | None = 0
    room: Annotated[str, BeforeValidator(stripped)] = "101"
    board: Literal["none", "half", "full"] = "none"
    _source: str = PrivateAttr("web")

    @field_validator("board", mode="before")
    @classmethod
    def lower(cls, value: str) -> str:
        """Case does not matter."""
        return value.lower()

    @field_validator("guest", mode="wrap")
    @classmethod
    def title(cls, value: str, handler: ValidatorFunctionWrapHandler, info: ValidationInfo) -> str:
        """Names are capitalised."""
        assert info.field_name == "guest"
        checked: str = handler(value)
        return checked.title()

    @field_validator("room", mode="plain", json_schema_input_type=str)
    @classmethod
    def known(cls, value: str) -> str:
        """Rooms are numbered."""
        if not stripped(value):
            raise ValueError("no room")
        return value

    @field_validator("free_nights")
    @classmethod
    def even(cls, value: int | None, info: ValidationInfo) -> int | None:
        """Fewer free nights than nights, where both are known."""
        if value is not None and value > info.data.get("nights", 30):
            raise ValueError("too many")
        return value

    @model_validator(mode="after")
    def paid(self) -> "Stay":
        """Full board is for stays without a free night."""
        if self.board == "full" and self.free_nights:
            raise ValueError("full board")
        return self

    @model_validator(mode="before")
    @classmethod
    def renamed(cls, value: Any) -> Any:
        """Older clients write `number` for `room`."""
        return {("room" if name == "number" else name): sent for name, sent in value.items()}

    @model_validator(mode="wrap")
    @classmethod
    def quiet(cls, value: Any, handler: Any, info: ValidationInfo) -> Any:
        """One of two that run around the model, this one with all arguments that there are."""
        assert info.mode in {"python", "json"}
        return handler(value)

    @model_validator(mode="wrap")
    @classmethod
    def suite(cls, value: Any, handler: Any) -> Any:
        """The suite is for a week and more."""
        stay = handler(value)
        if stay.room == "suite" and stay.nights < 7:
            raise ValueError("too short")
        return stay

    def model_post_init(self, context: Any, /) -> None:
        """Reads a field, as careless hooks do."""
        self._source = f"{context}/{self.room}"


StayPartial = partial(Stay)

payloads = st.fixed_dictionaries(
    {
        "guestName": st.sampled_from(["ann", "Bob Ray", "é"]),
        "nights": st.integers(1, 30),
        "free_nights": st.none() | st.integers(0, 30),
        "room": st.sampled_from(["101", "suite", "7 "]),
        "board": st.sampled_from(["none", "HALF", "full"]),
    }
)
wrong = {"guestName": "a\0", "nights": 0, "free_nights": "x", "room": " ", "board": "some"}


def is_valid(payload: dict[str, Any]) -> bool:
    """Whether the whole model takes it."""
    try:
        Stay.model_validate(payload)
    except ValidationError:
        return False
    return True


@given(payload=payloads.filter(is_valid), names=st.sets(st.sampled_from(sorted(wrong))))
def test_takes_every_part_of_a_valid_payload(payload: dict[str, Any], names: set[str]) -> None:
    """Law: each subset of a valid payload is valid, and comes out as the whole comes out, with nothing added."""
    part = {name: value for name, value in payload.items() if name in names}
    whole = Stay.model_validate(payload).model_dump(by_alias=True)
    patch = StayPartial.model_validate(part)
    assert patch.model_dump(by_alias=True) == {name: whole[name] for name in part}
    assert patch.model_dump(by_alias=True, exclude_unset=True) == patch.model_dump(by_alias=True)
    assert {name for name in Stay.model_fields if hasattr(patch, name)} == patch.model_fields_set


@given(payload=payloads, names=st.sets(st.sampled_from(sorted(wrong))), bad=st.sampled_from(sorted(wrong)))
def test_refuses_what_is_no_part_of_a_valid_payload(payload: dict[str, Any], names: set[str], bad: str) -> None:
    """Law: one wrong value, null for what is not nullable, or an unknown name is refused whatever else is sent."""
    part = {name: value for name, value in payload.items() if name in names}
    refused: list[dict[str, Any]] = [{bad: wrong[bad]}, {"unknown": 1}]
    if bad not in {"free_nights", "room", "board"}:  # null means something there, or breaks Stay's own validators
        refused.append({bad: None})
    for extra in refused:
        with pytest.raises(ValidationError):
            StayPartial.model_validate(part | extra)


@given(payloads)
def test_judges_a_whole_payload_as_the_model_does(payload: dict[str, Any]) -> None:
    """Law: where every field is sent, the partial model and its model agree."""
    if is_valid(payload):
        assert StayPartial.model_validate(payload).model_dump() == Stay.model_validate(payload).model_dump()
    else:
        with pytest.raises(ValidationError):
            StayPartial.model_validate(payload)


@pytest.mark.parametrize(
    ("part", "valid"),
    [
        pytest.param({"board": "full", "free_nights": 2}, False, id="after: both sent"),
        pytest.param({"board": "full"}, True, id="after: one sent"),
        pytest.param({"room": "suite", "nights": 2}, False, id="wrap: both sent"),
        pytest.param({"room": "suite"}, True, id="wrap: one sent"),
        pytest.param({"nights": 2, "free_nights": 3}, False, id="field: both sent"),
        pytest.param({"free_nights": 3}, True, id="field: one sent"),
    ],
)
def test_checks_of_several_fields_count_where_all_were_sent(part: dict[str, Any], valid: bool) -> None:
    """A validator that reads an unsent field gives no verdict; one whose fields were all sent does."""
    if valid:
        assert StayPartial.model_validate(part).model_dump() == part
    else:
        with pytest.raises(ValidationError):
            StayPartial.model_validate(part)


def test_null_stays_null_and_absent_stays_absent() -> None:
    """A nullable field that was sent as null is null in the patch; a default is never filled in."""
    assert StayPartial.model_validate_json('{"free_nights": null}').model_dump() == {"free_nights": None}
    assert StayPartial.model_validate({}).model_dump_json() == "{}"


def test_payloads_are_prepared_as_for_the_model() -> None:
    """A `before` validator of the model sees the payload, whatever part it is."""
    assert StayPartial.model_validate({"number": "7"}).model_dump() == {"room": "7"}


def test_reading_what_was_not_sent_says_so() -> None:
    """The attribute is missing, so that absent cannot be taken for a value; a misspelt name fails as ever."""
    misspelt = "nigths"
    with pytest.raises(AttributeError, match="'nights' was not sent"):
        _ = StayPartial.model_validate({}).nights
    with pytest.raises(AttributeError, match="no attribute 'nigths'"):
        getattr(StayPartial.model_validate({}), misspelt)


def test_the_json_schema_is_the_models_without_required_and_defaults() -> None:
    """Descriptions, examples, aliases and bounds are kept; nothing is required and no default promised."""
    whole, part = Stay.model_json_schema(), StayPartial.model_json_schema()
    for field in whole["properties"].values():
        field.pop("default", None)
    assert part["properties"] == whole["properties"]
    assert "required" not in part
    assert part["title"] == "StayPartial"
    assert part["description"] == whole["description"]
    assert part["additionalProperties"] is False


def test_is_made_once_and_is_a_subclass() -> None:
    """Asking again gives the same class, which is one of its model."""
    assert partial(Stay) is Partial[Stay] is StayPartial
    assert issubclass(StayPartial, Stay)
    assert StayPartial.__module__ == Stay.__module__


def test_types_follow_the_model() -> None:
    """To a type checker the partial model is the model."""
    assert_type(partial(Stay), type[Stay])
    patch: Partial[Stay] = StayPartial.model_validate({"nights": 2})
    assert_type(patch, Stay)
    assert_type(patch.nights, int)


class Name(RootModel[str]):
    """A model that is one value."""


class Square(BaseModel):
    """A model that computes."""

    side: int

    @computed_field
    def area(self) -> int:
        """Square of the side."""
        return self.side**2


@pytest.mark.parametrize(
    ("model", "reason"),
    [
        pytest.param(Name, "Name is a root model", id="root model"),
        pytest.param(Square, "Square computes area", id="computed field"),
    ],
)
def test_refuses_models_that_have_no_parts(model: type[BaseModel], reason: str) -> None:
    """Root models and models with computed fields are refused where the partial is made."""
    with pytest.raises(TypeError, match=reason):
        partial(model)


def test_patches_over_http() -> None:
    """An endpoint gets what was sent; what is wrong is a 422."""
    app = FastAPI()

    @app.patch("/stays")
    def change(patch: Partial[Stay]) -> dict[str, Any]:
        return patch.model_dump()

    client = TestClient(app)
    assert client.patch("/stays", json={"nights": 3}).json() == {"nights": 3}
    assert client.patch("/stays", json={"nights": None}).status_code == 422
    schema = client.get("/openapi.json").json()["paths"]["/stays"]["patch"]["requestBody"]["content"]
    assert schema["application/json"]["schema"] == {"$ref": "#/components/schemas/StayPartial"}
