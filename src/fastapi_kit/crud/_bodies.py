"""Request bodies: from bytes to column values."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from pydantic import BaseModel

from fastapi_kit.crud._attributes import Attribute
from fastapi_kit.crud._derive import derive_stored
from fastapi_kit.crud._errors import ResourceError


@dataclass(frozen=True)
class Input:
    """The body of a write: its schema, and how its instances become column values.

    A given schema may be looser than its columns: what it lets through is then checked against those.
    """

    model: type[BaseModel]
    sent_only: bool
    """Whether a field that was not sent is left to the column's default (create), or left as it is (update)."""
    columns: type[BaseModel] | None = None
    """What the columns of a given schema can hold."""
    documents: frozenset[str] = frozenset()
    """The fields of a given schema that are stored as JSON, whatever they are in Python."""

    def values(self, body: bytes) -> dict[str, Any]:
        """Validate `body` and take its values, by attribute name.

        Raises:
            pydantic.ValidationError: `body` is not JSON, or does not fit the schema or the columns.
        """
        return self.values_of(self.model.__pydantic_validator__.validate_json(body))

    def values_of(self, instance: BaseModel) -> dict[str, Any]:
        """The values of a validated body, by attribute name.

        Raises:
            pydantic.ValidationError: They do not fit the columns.
        """
        write = self.model.__pydantic_serializer__.to_python
        values: dict[str, Any] = write(instance, by_alias=False, exclude_unset=self.sent_only)
        if self.columns is None:
            return values
        stored = self.columns.__pydantic_validator__.validate_python(values)
        values = {name: getattr(stored, name) for name in values}
        if self.documents:
            documents = set(self.documents)
            values |= write(instance, mode="json", include=documents, by_alias=False, exclude_unset=self.sent_only)
        return values


def given_input(
    model: type[BaseModel], attributes: Mapping[str, Attribute], *, sent_only: bool, resource: str
) -> Input:
    """The body of a schema that the user gives.

    Raises:
        ResourceError: It does not fit the columns of `resource`.
    """
    check_input(model, attributes, resource)
    used = [attributes[name] for name in (*model.model_fields, *model.model_computed_fields)]
    documents = frozenset(attribute.name for attribute in used if isinstance(attribute.column.type, sa.JSON))
    return Input(model, sent_only, derive_stored(f"{model.__name__}Stored", used), documents)


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
