"""The fields that hold a value just as it was sent are told from those that may not."""

import html
from typing import Annotated

import pytest
from pydantic import AfterValidator, BaseModel, Field, field_serializer, model_validator

from fastapi_kit.schemas import WHOLE, kept_fields, partial


class Mixed(BaseModel):
    """A field of each kind."""

    bare: int
    bounded: Annotated[int, Field(ge=1), WHOLE]
    escaped: Annotated[str, AfterValidator(html.escape)]


class Served(BaseModel):
    """A serialiser may make something else of any field."""

    bare: int

    @field_serializer("bare")
    def _double(self, value: int) -> int:
        return 2 * value


class Checked(BaseModel):
    """A validator of the whole may do so, too."""

    bare: int

    @model_validator(mode="after")
    def _zero(self) -> "Checked":
        self.bare = 0
        return self


class Lower(BaseModel, str_to_lower=True):
    """Configuration may change every text."""

    bare: str


@pytest.mark.parametrize("model", [Mixed, partial(Mixed)], ids=["whole", "partial"])
def test_bounds_change_no_value(model: type[BaseModel]) -> None:
    """Bounds and the kit's own checks refuse values or keep them; a validator that is unknown may change them."""
    assert kept_fields(model) == {"bare", "bounded"}


@pytest.mark.parametrize("model", [Served, Checked, Lower])
def test_a_model_that_does_more_keeps_nothing_for_sure(model: type[BaseModel]) -> None:
    """What it does may concern any field."""
    assert kept_fields(model) == frozenset()
