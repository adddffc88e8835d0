"""The frozen description of a resource: its table, its key, and what clients read and write of it.

Made once, when the router is made. Everything later (statements, parameters, bytes, OpenAPI) is computed from it, and a
request looks up nothing in SQLAlchemy or pydantic that is not here.
"""

import re
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import sqlalchemy as sa
from pydantic import BaseModel
from sqlalchemy.orm import DeclarativeBase

from fastapi_kit.crud._answers import Output
from fastapi_kit.crud._attributes import Attribute, Mapped, read_model
from fastapi_kit.crud._bodies import Input, check_fields, given_input
from fastapi_kit.crud._derive import derive_create, derive_read, derive_replace, derive_update
from fastapi_kit.crud._errors import ResourceError
from fastapi_kit.schemas import partial


@dataclass(frozen=True)
class Schemas:
    """The schemas that a user gives; those that are left out are derived."""

    create: type[BaseModel] | None = None
    update: type[BaseModel] | None = None
    replace: type[BaseModel] | None = None
    read: type[BaseModel] | None = None


@dataclass(frozen=True)
class Resource:
    """What a `CRUDRouter` serves."""

    name: str
    """Singular, in snake case: `city`."""
    table: sa.Table
    key: Attribute
    visible: Mapping[str, Attribute]
    """The columns that clients read, and so may filter and sort by, by name."""
    columns: Mapping[str, sa.Column[object]]
    """All mapped columns, by attribute name."""
    output: Output
    inputs: Mapping[str, Input]
    """The bodies of the operations `create`, `replace` and `update`."""

    def knows(self, name: str) -> bool:
        """Whether clients know of the column `name`: by reading or by writing it."""
        return name in self.visible or any(name in body.model.model_fields for body in self.inputs.values())


def describe(model: type[DeclarativeBase], schemas: Schemas, operations: Collection[str]) -> Resource:
    """Compile the description of `model` for the given operations.

    Raises:
        ResourceError: The model or a schema cannot be served; the message names the cure.
    """
    mapped = read_model(model)
    read = schemas.read or derive_read(
        f"{model.__name__}Read", [attribute for attribute in mapped.attributes.values() if not attribute.hidden]
    )
    check_fields(read.__name__, read.model_fields, mapped.attributes, model.__name__)
    visible = {name: mapped.attributes[name] for name, field in read.model_fields.items() if not field.exclude}
    return Resource(
        name=re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", model.__name__).lower(),
        table=mapped.table,
        key=mapped.key,
        visible=MappingProxyType(visible),
        columns=MappingProxyType({name: attribute.column for name, attribute in mapped.attributes.items()}),
        output=Output.of(read, mapped.attributes, mapped.key),
        inputs=MappingProxyType(_inputs(mapped, list(visible.values()), schemas, operations)),
    )


def _inputs(
    mapped: Mapped, visible: list[Attribute], schemas: Schemas, operations: Collection[str]
) -> dict[str, Input]:
    writable = [attribute for attribute in visible if not attribute.read_only]
    keyless = [attribute for attribute in writable if attribute is not mapped.key]
    made: dict[str, Input] = {}
    if "create" in operations:
        made["create"] = _input(mapped, "create", schemas.create, derive_create, writable)
        _check_complete(made["create"].model, mapped)
    if "replace" in operations:
        made["replace"] = _input(mapped, "replace", schemas.replace or schemas.create, derive_replace, keyless)
    if "update" in operations:
        made["update"] = _input(mapped, "update", schemas.update or _partial(schemas.create), derive_update, keyless)
    for operation, body in made.items():
        if operation != "create" and mapped.key.name in body.model.model_fields:
            raise ResourceError(
                f"{body.model.__name__}.{mapped.key.name}: a row keeps its key; give {operation}= a schema without it"
            )
    return made


def _input(
    mapped: Mapped,
    operation: str,
    given: type[BaseModel] | None,
    derive: Callable[[str, Iterable[Attribute]], type[BaseModel]],
    attributes: list[Attribute],
) -> Input:
    name = mapped.model.__name__
    if given is not None:
        # The defaults of a given schema are its author's word, except in a patch, which has none.
        return given_input(given, mapped.attributes, sent_only=operation == "update", resource=name)
    # Those of a derived one stand for the columns', which the database fills in; but a row is replaced whole.
    return Input(derive(f"{name}{operation.capitalize()}", attributes), sent_only=operation != "replace")


def _check_complete(create: type[BaseModel], mapped: Mapped) -> None:
    written = {*create.model_fields, *create.model_computed_fields}
    missing = [
        name for name, attribute in mapped.attributes.items() if name not in written and not attribute.has_default
    ]
    if missing:
        raise ResourceError(
            f"{create.__name__} lacks {', '.join(missing)}, without which there is no row of {mapped.model.__name__}: "
            "give the column a default, give a create= that has it, or leave 'create' out of routes="
        )


def _partial(create: type[BaseModel] | None) -> type[BaseModel] | None:
    try:
        return create and partial(create)
    except TypeError as error:
        raise ResourceError(f"{error} Or give update= a schema of its own.") from error
