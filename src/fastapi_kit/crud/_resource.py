"""The frozen description of a resource: its table, its key, and what clients read and write of it.

Made once, when the router is made. Everything later (statements, parameters, bytes, OpenAPI) is computed from it, and a
request looks up nothing in SQLAlchemy or pydantic that is not here.
"""

import re
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType
from typing import Any

import sqlalchemy as sa
from pydantic import BaseModel
from sqlalchemy.orm import DeclarativeBase
from sqlalchemy.sql.visitors import iterate

from fastapi_kit.crud._answers import Output
from fastapi_kit.crud._attributes import Attribute, Mapped, read_model
from fastapi_kit.crud._bodies import Input, check_fields, given_input
from fastapi_kit.crud._derive import derive_create, derive_read, derive_replace, derive_update
from fastapi_kit.crud._errors import ResourceError
from fastapi_kit.crud._identity import Identity
from fastapi_kit.crud._roles import assign
from fastapi_kit.crud._traits import WRITES, Traits
from fastapi_kit.errors import NotFoundError
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
    mapped: Mapped
    identity: Identity
    """What names a row in a path."""
    visible: Mapping[str, Attribute]
    """The columns that clients read, and so may filter and sort by, by name."""
    columns: Mapping[str, sa.Column[object]]
    """All mapped columns of the table, by attribute name."""
    output: Output
    inputs: Mapping[str, Input]
    """The bodies of the operations `create`, `replace` and `update`."""
    traits: Traits
    version: Attribute | None
    deleted: Attribute | None
    """The column of soft deletion."""
    parent: Attribute | None
    """The column whose value stands in the path above."""

    @property
    def table(self) -> sa.Table:
        """The table of the model."""
        return self.mapped.table

    @property
    def keys(self) -> tuple[Attribute, ...]:
        """The primary key."""
        return self.mapped.keys

    @property
    def title(self) -> str:
        """The name for people."""
        return self.name.replace("_", " ")

    def not_found(self, **extensions: Any) -> NotFoundError:
        """What a row that is absent, or out of scope, is answered with."""
        return NotFoundError(f"There is no {self.title} with this key.", extensions=extensions)

    @cached_property
    def is_returned_whole(self) -> bool:
        """Whether a write's own statement can return what is read: not where that is computed from other rows.

        SQLite takes the names in a subquery of RETURNING for those of the subquery's own tables.
        """
        expressions = [it.column for it in self.visible.values() if it.stored_column is None]
        return not any(
            isinstance(element, sa.SelectBase) for expression in expressions for element in iterate(expression)
        )

    @cached_property
    def server_columns(self) -> Mapping[str, frozenset[str]]:
        """The keys of the columns that the server writes in each operation, whatever a client sends."""
        always = {it.column_key for it in (self.deleted, self.version) if it is not None}
        return {
            operation: frozenset(
                always.union(self.columns[name].key for name, it in self.traits.stamps.items() if operation in it.on)
            )
            for operation in WRITES
        }

    def knows(self, name: str) -> bool:
        """Whether clients know of the column `name`: by its place in the path, by reading or by writing it."""
        if self.parent is not None and name == self.parent.name:
            return True
        return name in self.visible or any(name in body.model.model_fields for body in self.inputs.values())


def describe(
    model: type[DeclarativeBase], schemas: Schemas, operations: Collection[str], traits: Traits | None = None
) -> Resource:
    """Compile the description of `model` for the given operations.

    Raises:
        ResourceError: The model, a schema or a trait cannot be served; the message names the cure.
    """
    traits = traits or Traits()
    roles = assign(read_model(model), traits, operations)
    mapped = roles.mapped
    attributes = mapped.attributes
    read = schemas.read or derive_read(
        f"{model.__name__}Read", [attribute for attribute in attributes.values() if not attribute.hidden]
    )
    check_fields(read.__name__, read.model_fields, attributes, model.__name__)
    visible = {name: attributes[name] for name, field in read.model_fields.items() if not field.exclude}
    bodies = _Bodies(mapped, schemas, list(visible.values()), roles.by_server)
    return Resource(
        name=re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", model.__name__).lower(),
        mapped=mapped,
        identity=Identity(roles.named_by),
        visible=MappingProxyType(visible),
        columns=MappingProxyType(
            {name: it.stored_column for name, it in attributes.items() if it.stored_column is not None}
        ),
        output=Output.of(read, attributes, roles.named_by),
        inputs=MappingProxyType(bodies.of(operations)),
        traits=traits,
        version=roles.version,
        deleted=roles.deleted,
        parent=roles.parent,
    )


@dataclass(frozen=True)
class _Bodies:
    """Makes the bodies of a resource's writes."""

    mapped: Mapped
    schemas: Schemas
    visible: list[Attribute]
    by_server: frozenset[str]
    """Columns that the server writes, whatever a client sends."""

    def of(self, operations: Collection[str]) -> dict[str, Input]:
        given, made = self.schemas, dict[str, Input]()
        writable = [it for it in self.visible if not it.read_only and it.name not in self.by_server]
        keyless = [it for it in writable if it not in self.mapped.keys]
        if {"create", "create_many"} & set(operations):
            made["create"] = self._input("create", given.create, derive_create, writable)
            self._check_complete(made["create"].model)
        if "replace" in operations:
            made["replace"] = self._input("replace", given.replace or given.create, derive_replace, keyless)
        if {"update", "update_many"} & set(operations):
            made["update"] = self._input("update", given.update or _partial(given.create), derive_update, keyless)
        for operation, body in made.items():
            self._check_written(operation, body.model)
        return made

    def _input(
        self,
        operation: str,
        given: type[BaseModel] | None,
        derive: Callable[[str, Iterable[Attribute]], type[BaseModel]],
        attributes: list[Attribute],
    ) -> Input:
        name = self.mapped.model.__name__
        if given is not None:
            # The defaults of a given schema are its author's word, except in a patch, which has none.
            return given_input(given, self.mapped.attributes, sent_only=operation == "update", resource=name)
        # Those of a derived one stand for the columns', which the database fills in; but a row is replaced whole.
        return Input(derive(f"{name}{operation.capitalize()}", attributes), sent_only=operation != "replace")

    def _check_written(self, operation: str, body: type[BaseModel]) -> None:
        fields = {*body.model_fields, *body.model_computed_fields}
        if taken := sorted(fields & self.by_server):
            raise ResourceError(
                f"{body.__name__}: the server writes {', '.join(taken)}; give {operation}= a schema without it"
            )
        if operation != "create" and (keys := sorted(fields & {key.name for key in self.mapped.keys})):
            raise ResourceError(
                f"{body.__name__}.{', '.join(keys)}: a row keeps its key; give {operation}= a schema without it"
            )

    def _check_complete(self, create: type[BaseModel]) -> None:
        written = {*create.model_fields, *create.model_computed_fields, *self.by_server}
        missing = [name for name, it in self.mapped.attributes.items() if name not in written and not it.has_default]
        if missing:
            raise ResourceError(
                f"{create.__name__} lacks {', '.join(missing)}, without which there is no row of "
                f"{self.mapped.model.__name__}: give the column a default, give a create= that has it, or leave "
                "'create' out of routes="
            )


def _partial(create: type[BaseModel] | None) -> type[BaseModel] | None:
    try:
        return create and partial(create)
    except TypeError as error:
        raise ResourceError(f"{error} Or give update= a schema of its own.") from error
