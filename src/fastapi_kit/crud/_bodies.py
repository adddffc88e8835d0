"""Request bodies: from bytes to column values."""

from collections.abc import Collection, Iterable
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
        values: dict[str, Any] = self.model.__pydantic_serializer__.to_python(
            instance, by_alias=False, exclude_unset=self.sent_only
        )
        for name, value in values.items():
            if isinstance(value, str) and "\0" in value:
                raise _nul_in(self.model.__name__, name)
        return values


def _nul_in(title: str, name: str) -> ValidationError:
    """The error for U+0000, which PostgreSQL cannot store and which a given schema may let through."""
    kind = PydanticCustomError("string_nul", "Text may not hold U+0000")
    return ValidationError.from_exception_data(title, [InitErrorDetails(type=kind, loc=(name,), input=None)])


def check_input(model: type[BaseModel], names: Collection[str], resource: str) -> None:
    """See that a given schema of a body can write columns only, and only those that it names.

    Raises:
        ResourceError: A value of it would have nowhere to go, or could go to any column.
    """
    if model.model_config.get("extra") == "allow":
        raise ResourceError(
            f"{model.__name__} takes fields that it does not name, by which clients could write any column: "
            "give it extra='forbid'"
        )
    check_fields(model.__name__, [*model.model_fields, *model.model_computed_fields], names, resource)


def check_fields(schema: str, fields: Iterable[str], names: Collection[str], resource: str) -> None:
    """See that each field of a given schema is a column.

    Raises:
        ResourceError: One is not; a value for it would have nowhere to go, or come from.
    """
    for name in fields:
        if name not in names:
            known = ", ".join(sorted(names))
            raise ResourceError(f"{schema}.{name} is no column of {resource}, which has {known}")
