"""Request bodies: from bytes to column values."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import InitErrorDetails, PydanticCustomError

from fastapi_kit.crud._errors import ResourceError


@dataclass(frozen=True)
class Input:
    """The body of a write: its schema, and how its instances become column values."""

    model: type[BaseModel]
    sent_only: bool
    """Whether a field that was not sent is left to the column's default (create), or left as it is (update)."""

    def values(self, body: bytes) -> dict[str, Any]:
        """Validate `body` and take its values, by attribute name.

        Raises:
            pydantic.ValidationError: `body` is not JSON, or does not fit the schema.
        """
        instance = self.model.__pydantic_validator__.validate_json(body)
        values: dict[str, Any] = self.model.__pydantic_serializer__.to_python(instance, exclude_unset=self.sent_only)
        for name, value in values.items():
            if isinstance(value, str) and "\0" in value:
                raise _nul_in(self.model.__name__, name)
        return values


def _nul_in(title: str, name: str) -> ValidationError:
    """The error for U+0000, which PostgreSQL cannot store and which a given schema may let through."""
    kind = PydanticCustomError("string_nul", "Text may not hold U+0000")
    return ValidationError.from_exception_data(title, [InitErrorDetails(type=kind, loc=(name,), input=None)])


def check_fields(model: type[BaseModel], names: Collection[str], resource: str) -> None:
    """See that each field of a given schema is a column.

    Raises:
        ResourceError: One is not; a value for it would have nowhere to go, or come from.
    """
    for name in model.model_fields:
        if name not in names:
            known = ", ".join(sorted(names))
            raise ResourceError(f"{model.__name__}.{name} is no column of {resource}, which has {known}")
