"""The bases of request and response models."""

from datetime import UTC, datetime
from typing import Annotated
from uuid import UUID, uuid4

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from fastapi_kit._clock import SYSTEM_CLOCK
from fastapi_kit.schemas._scalars import in_utc


class Schema(BaseModel):
    """Base of request and response models, strict about what comes in.

    - A field that the model does not have is an error (a 422 for a client), so nothing is assigned by accident.
    - Text with lone surrogates and the numbers NaN and ±Infinity, none of which JSON can carry, are errors.
    - A model can be made from an object with attributes, such as a SQLAlchemy row; only its own fields are read.

    A response made from a dict often leaves fields out on purpose. Say so on that model:

        class CityRead(Schema, extra="ignore"): ...
    """

    model_config = ConfigDict(
        from_attributes=True,
        extra="forbid",
        allow_inf_nan=False,
        # No bound, and none in the JSON schema: any length constraint makes pydantic decode text, and that refuses
        # lone surrogates, which could be neither stored nor sent back.
        str_min_length=0,
    )


def _text_id(value: object) -> object:
    return str(value) if isinstance(value, UUID | int) and not isinstance(value, bool) else value


def _stored_in_utc(value: datetime) -> datetime:
    return in_utc(value if value.tzinfo else value.replace(tzinfo=UTC))


_Identifier = Annotated[str, BeforeValidator(_text_id, json_schema_input_type=str)]
_Timestamp = Annotated[datetime, AfterValidator(_stored_in_utc)]


def _random_id() -> str:
    return str(uuid4())


class BaseResponse(Schema, extra="ignore"):
    """A stored thing as a client sees it: `id`, `created_at` and `updated_at`, before the fields of a subclass.

    UUID and integer keys come out as text. Time stamps are aware and in UTC; a naive one, as databases without time
    zones give it, is taken to be in UTC. What is not given is made: a random UUID (version 4) and the current time.
    """

    id: _Identifier = Field(default_factory=_random_id)
    created_at: _Timestamp = Field(default_factory=SYSTEM_CLOCK.now)
    updated_at: _Timestamp = Field(default_factory=SYSTEM_CLOCK.now)
