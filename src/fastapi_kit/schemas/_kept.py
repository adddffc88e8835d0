"""Which fields hold a value just as it was sent."""

from annotated_types import BaseMetadata
from pydantic import BaseModel

from fastapi_kit.schemas._partial import OMIT_UNSENT
from fastapi_kit.schemas._scalars import ISO_DATE, WHOLE

_CHANGING = ("str_strip_whitespace", "str_to_lower", "str_to_upper")
"""Configuration by which validation changes values."""
_KEEPING = (WHOLE, ISO_DATE, OMIT_UNSENT)
"""Validators that refuse a value or leave it as it is."""


def kept_fields(model: type[BaseModel]) -> frozenset[str]:
    """The fields of `model` of which neither validation nor serialisation makes another value, as far as can be seen.

    A validator of somebody else's may do so; a field that has one, and every field of a model that has any, is not
    among them.
    """
    does = model.__pydantic_decorators__
    own = (does.field_serializers, does.model_serializers, does.field_validators, does.model_validators)
    if any(own) or any(model.model_config.get(option) for option in _CHANGING):
        return frozenset()
    return frozenset(
        name
        for name, field in model.model_fields.items()
        if all(isinstance(part, BaseMetadata) or part in _KEEPING for part in field.metadata)
    )
