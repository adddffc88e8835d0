"""Schemas derived from a model's columns, for those that the user does not give."""

from collections.abc import Iterable
from typing import Any

from pydantic import BaseModel, Field, create_model

from fastapi_kit.crud._attributes import Attribute
from fastapi_kit.schemas import Schema


class _Body(Schema, strict=True):
    """A derived body takes the JSON types that its JSON schema names: no text for a number, no number for a time."""


def derive_read(name: str, attributes: Iterable[Attribute]) -> type[BaseModel]:
    """A schema of all `attributes`, each of them always there."""
    fields = {attribute.name: (attribute.kind.read, _described(attribute)) for attribute in attributes}
    return _schema(name, Schema, fields)


def derive_create(name: str, attributes: Iterable[Attribute]) -> type[BaseModel]:
    """A schema in which what has a default may be left out."""
    fields = {
        attribute.name: (attribute.written, _described(attribute, **_default(attribute))) for attribute in attributes
    }
    return _schema(name, _Body, fields)


def derive_replace(name: str, attributes: Iterable[Attribute]) -> type[BaseModel]:
    """A schema of the whole row: only what has a constant default may be left out, and gets it."""
    fields = {
        attribute.name: (attribute.written, _described(attribute, default=attribute.constant_default))
        for attribute in attributes
    }
    return _schema(name, _Body, fields)


def derive_update(name: str, attributes: Iterable[Attribute]) -> type[BaseModel]:
    """A schema in which everything may be left out, and null is a value like any other (RFC 7396)."""
    fields = {
        attribute.name: (attribute.written, _described(attribute, default_factory=_unsent)) for attribute in attributes
    }
    return _schema(name, _Body, fields)


def derive_stored(name: str, attributes: Iterable[Attribute]) -> type[BaseModel]:
    """A schema of what the columns can hold; one of a type that has no JSON form can hold anything."""
    fields = {attribute.name: (attribute.stored, Field(default_factory=_unsent)) for attribute in attributes}
    return _schema(name, Schema, fields)


def _schema(name: str, base: type[Schema], fields: dict[str, Any]) -> type[BaseModel]:
    return create_model(name, __base__=base, **fields)


def _described(attribute: Attribute, **default: Any) -> Any:
    return Field(description=attribute.description, **default)


def _default(attribute: Attribute) -> dict[str, Any]:
    if not attribute.has_default:
        return {}
    constant = attribute.constant_default
    return {"default_factory": _unsent} if constant is ... else {"default": constant}


def _unsent() -> None:
    """Never used: only the fields that were sent are taken from an instance. A factory does not show in JSON schema."""
