"""From whoever asks to the statements that are made for them, and the values that those need. Pure."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from pydantic import ValidationError
from sqlalchemy.orm import DeclarativeBase

from fastapi_kit.crud._parsing import text_parser
from fastapi_kit.crud._query import ListGrammar
from fastapi_kit.crud._requests import DeletedMode
from fastapi_kit.crud._resource import Resource
from fastapi_kit.crud._scope import Condition, Conditions, Model, Scopes, values_of
from fastapi_kit.crud._statements import Statements
from fastapi_kit.errors import NotFoundError

_PARENT = "__parent"
"""Ends the name of the bind parameter of the row above."""


@dataclass(frozen=True)
class Access:
    """What one request, or one job, can reach.

    Attributes:
        principal: On whose behalf; `None` for nobody.
        values: Parameters of every statement.
        parent: The value of the parent's column, where there is one.
    """

    principal: Any
    values: Mapping[str, Any]
    statements_of: Callable[[DeletedMode], Statements]
    parent: Any = None

    @property
    def statements(self) -> Statements:
        """The statements on rows that are in use."""
        return self.statements_of("exclude")


class Accesses:
    """Gives everybody their `Access` to a resource.

    Args:
        resource: The resource.
        grammar: Of its lists.
        scopes: Which rows there are for whom.
    """

    def __init__(self, resource: Resource, grammar: ListGrammar, scopes: Scopes) -> None:
        self._resource = resource
        self._grammar = grammar
        self.scopes = scopes
        parent = resource.parent
        self._read_parent = text_parser(parent.kind.value) if parent else None
        self._fixed: dict[DeletedMode, Statements] = {}

    def of(self, principal: Any, path_parameters: Mapping[str, Any]) -> Access:
        """The access of `principal`, below the row that the path names.

        Raises:
            NotFoundError: The path names no possible row above.
        """
        parent = self._parent(path_parameters)
        if self.scopes.is_fixed:
            return Access(
                principal, self._values(self.scopes.values(principal), parent), self._fixed_statements, parent
            )
        conditions = self.scopes.conditions(principal)
        values = {name: value for each in conditions.values() for name, value in values_of(each, principal).items()}
        made: dict[DeletedMode, Statements] = {}

        def statements(mode: DeletedMode) -> Statements:
            if mode not in made:
                made[mode] = self._statements(mode, conditions)
            return made[mode]

        return Access(principal, self._values(values, parent), statements, parent)

    def _values(self, values: dict[str, Any], parent: Any) -> dict[str, Any]:
        if self._resource.parent is not None:
            values[self._resource.parent.name + _PARENT] = parent
        return values

    def _parent(self, path_parameters: Mapping[str, Any]) -> Any:
        parent = self._resource.parent
        if parent is None or self._read_parent is None:
            return None
        given = path_parameters[parent.name]
        if not isinstance(given, str):
            return given
        try:
            return self._read_parent(given)
        except ValidationError as error:
            raise NotFoundError(f"There is no {parent.name.replace('_', ' ')} of this value.") from error

    def _fixed_statements(self, mode: DeletedMode) -> Statements:
        if mode not in self._fixed:
            self._fixed[mode] = self._statements(mode, self.scopes.conditions(None))
        return self._fixed[mode]

    def _statements(self, mode: DeletedMode, by_model: Mapping[Model, Condition]) -> Statements:
        resource = self._resource
        own = [by_model[resource.mapped.model]] if resource.mapped.model in by_model else []
        own += self._below_parent(by_model)
        in_use: dict[Model, Condition] = {}
        if resource.deleted is not None and mode != "include":
            column = resource.deleted.column
            own.append(column.is_(None) if mode == "exclude" else column.is_not(None))
            if mode == "exclude":
                in_use[resource.mapped.model] = column.is_(None)  # rows of the same table may be related to each other
        return Statements(resource, self._grammar, Conditions(tuple(own), by_model, in_use))

    def _below_parent(self, by_model: Mapping[Model, Condition]) -> list[Condition]:
        parent = self._resource.parent
        if parent is None:
            return []
        conditions = [parent.column == sa.bindparam(parent.name + _PARENT, type_=parent.column.type)]
        for target, model in parent_models(self._resource, by_model):
            conditions.append(parent.column.in_(sa.select(target).where(by_model[model])))
        return conditions


def parent_models(
    resource: Resource, models: Mapping[Model, Any]
) -> list[tuple[sa.Column[Any], type[DeclarativeBase]]]:
    """The columns that the parent's column refers to, with those of `models` whose they are."""
    column = None if resource.parent is None else resource.parent.stored_column
    if column is None:
        return []
    tables = {model.__table__: model for model in models}
    referred = (key.column for key in column.foreign_keys)
    return [(target, tables[target.table]) for target in referred if target.table in tables]
