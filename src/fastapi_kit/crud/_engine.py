"""Everything that a router has compiled, in one place: what its routes, its repository and its exports are made of."""

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import DeclarativeBase

from fastapi_kit.crud._access import Access, Accesses, parent_models
from fastapi_kit.crud._bulk_bodies import BulkInput
from fastapi_kit.crud._executor import Work
from fastapi_kit.crud._hooks import Hooks
from fastapi_kit.crud._includes import Many, One, compile_includes
from fastapi_kit.crud._parameters import QueryReader
from fastapi_kit.crud._query import Query, compile_query
from fastapi_kit.crud._resource import Resource
from fastapi_kit.crud._scope import Scope, Scopes
from fastapi_kit.crud._targets import references_of
from fastapi_kit.crud._writer import Rules


class Engine:
    """A resource, compiled.

    Args:
        resource: Its description.
        query: What its lists may be asked for.
        include: What may be included, by relationship.
        scope: Which rows there are for whom.

    Raises:
        ResourceError: The query or an include cannot be served; the message names the cure.
    """

    def __init__(
        self,
        resource: Resource,
        query: Query,
        include: Mapping[str, One | Many],
        scope: Scope | Mapping[type[DeclarativeBase], Scope] | None,
    ) -> None:
        self.resource = resource
        includes = compile_includes(resource.mapped, include)
        self.grammar = compile_query(query, resource.mapped, resource.visible, includes)
        self.output = resource.output.including({name: (it.annotation, it.reading) for name, it in includes.items()})
        soft_delete = resource.traits.soft_delete
        self.sees_deleted = soft_delete is not None and soft_delete.visible_to is not None
        self.queries = QueryReader(self.grammar, sees_deleted=self.sees_deleted)
        scopes = Scopes(resource.mapped.model, scope)
        self.accesses = Accesses(resource, self.grammar, scopes)
        self.hooks = Hooks()
        self.rules = Rules(resource, self.hooks, references_of(resource.table, scopes.models))
        self.bulk = {name: BulkInput.of(resource, name) for name in ("create", "update") if name in resource.inputs}
        self.needs_principal = bool(scopes or resource.traits.stamps or self.sees_deleted)

    def parent_exists(self, access: Access) -> Work[bool]:
        """Whether there is a row above, as far as the parent's column refers to one that must be."""
        parent = self.resource.parent
        column = None if parent is None else parent.stored_column
        targets = [key.column for key in column.foreign_keys] if column is not None else []
        by_model = access.statements.conditions.related
        scoped = dict(parent_models(self.resource, by_model))

        def work(connection: sa.Connection) -> bool:
            for target in targets:
                conditions = [by_model[scoped[target]]] if target in scoped else []
                there: sa.Select[Any] = sa.select(target).where(target == access.parent, *conditions).limit(1)
                if connection.execute(there, dict(access.values)).first() is None:
                    return False
            return True

        return work
