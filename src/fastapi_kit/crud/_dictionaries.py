"""Serialisers that write dictionaries as pydantic would write instances of models.

Making an object with attributes of each row, and taking the attributes out of it again, costs a third of the time in
which a list is written. A typed dictionary with the fields of a model is written alike: the schemas of its fields and
its aliases are those of the model. Only a model's configuration of how it is written (`ser_json_*`) is not heeded in
there; such a model is not plain.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, cast

from pydantic import BaseModel, TypeAdapter
from pydantic_core import SchemaSerializer

_OF_FIELDS = ("schema", "serialization_alias", "serialization_exclude", "serialization_exclude_if")
"""What the field of a model and that of a typed dictionary have both, as far as it is about writing."""


def dictionary_serializer(model: type[BaseModel], dictionaries: Collection[type[BaseModel]]) -> SchemaSerializer:
    """The serialiser of `model`, where instances of `dictionaries` are dictionaries.

    Args:
        model: A model.
        dictionaries: Models that are plain; `model` may be one, and others stay as they are.
    """
    return SchemaSerializer(_rewritten(TypeAdapter[Any](model).core_schema, dictionaries))


def _rewritten(schema: Any, dictionaries: Collection[type[BaseModel]]) -> Any:
    """A copy of a part of a core schema."""
    if isinstance(schema, list):
        return [_rewritten(it, dictionaries) for it in cast("Sequence[Any]", schema)]
    if not isinstance(schema, Mapping):
        return schema
    part = cast("Mapping[str, Any]", schema)
    if part.get("type") == "model" and part["cls"] in dictionaries:
        return _typed_dictionary(part, dictionaries)
    return {name: _rewritten(value, dictionaries) for name, value in part.items()}


def _typed_dictionary(of_model: Mapping[str, Any], dictionaries: Collection[type[BaseModel]]) -> dict[str, Any]:
    fields = {
        name: {
            "type": "typed-dict-field",
            "required": False,  # a client may ask for some alone
            **{key: _rewritten(field[key], dictionaries) for key in _OF_FIELDS if key in field},
        }
        for name, field in of_model["schema"]["fields"].items()
    }
    reference = {"ref": of_model["ref"]} if "ref" in of_model else {}
    return {"type": "typed-dict", "fields": fields, **reference}
