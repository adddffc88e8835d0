"""Actions: routes of one's own beside the generated ones, on one row or on all.

An action is an ordinary FastAPI endpoint, with whatever body and dependencies it declares. Its first parameter is the
row that the path names: loaded within the caller's scope and of the version that `If-Match` names, as an instance in
the request's session; what is changed on it is stored with the session.
"""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Generic, TypeVar

from fastapi import Depends, Request, Response
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import DeclarativeBase

from fastapi_kit.crud._errors import ResourceError
from fastapi_kit.crud._etags import etag
from fastapi_kit.crud._operations import Operations
from fastapi_kit.crud._repository import Repository
from fastapi_kit.crud._steps import OTHER_VERSION
from fastapi_kit.db import SessionDep
from fastapi_kit.errors import PreconditionFailedError

M = TypeVar("M", bound=DeclarativeBase)


@dataclass(frozen=True)
class ItemContext(Generic[M]):
    """What an action on a row is given.

    Attributes:
        row: The row, as an instance in `session`.
        session: The request's session; it is committed before the answer starts.
        repository: The resource's, for the same principal.
        principal: Who asks.
        request: The request.
    """

    row: M
    session: AsyncSession
    repository: Repository[M]
    principal: Any
    request: Request


@dataclass(frozen=True)
class CollectionContext(Generic[M]):
    """What an action on the collection is given; as `ItemContext`, without a row."""

    session: AsyncSession
    repository: Repository[M]
    principal: Any
    request: Request


def with_context(endpoint: Callable[..., Any], provide: Callable[..., Any]) -> Callable[..., Any]:
    """The endpoint as FastAPI shall see it: its first parameter is what the dependency `provide` gives.

    Raises:
        ResourceError: It has no parameter.
    """
    signature = inspect.signature(endpoint, eval_str=True)
    if not signature.parameters:
        raise ResourceError(f"{endpoint.__name__}: an action takes a context as its first parameter")
    first, *others = signature.parameters.values()
    injected = first.replace(
        annotation=Annotated[Any, Depends(provide, scope="function")], kind=inspect.Parameter.KEYWORD_ONLY
    )
    keyword_only = [it.replace(kind=inspect.Parameter.KEYWORD_ONLY) for it in others]

    async def action(**arguments: Any) -> Any:
        return await endpoint(**arguments)

    action.__name__, action.__doc__ = endpoint.__name__, endpoint.__doc__
    action.__signature__ = signature.replace(parameters=[injected, *keyword_only])  # type: ignore[attr-defined]
    return action


class Contexts(Generic[M]):
    """Makes the contexts of a resource's actions; the methods are dependencies."""

    def __init__(self, operations: Operations, model: type[M]) -> None:
        self._operations = operations
        self._resource = operations.engine.resource
        self._model = model

    async def seen_item(self, request: Request, session: SessionDep) -> ItemContext[M]:
        """The row that the path names, to look at.

        Raises:
            NotFoundError: There is none, or it is out of scope.
        """
        key = self._resource.identity.read(request.path_params)
        return await self._item(request, session, key, lock=False)

    async def item(self, request: Request, response: Response, session: SessionDep) -> ItemContext[M]:
        """The row that the path names, to change: nobody else changes it meanwhile, and its version counts on.

        Raises:
            NotFoundError: There is none, or it is out of scope.
            PreconditionFailedError: It has another version.
        """
        target = self._operations.target(request)
        context = await self._item(request, session, target.parameters, lock=True)
        version = self._resource.version
        if version is None:
            return context
        present: int = getattr(context.row, version.name)
        if target.versions is not None and present not in target.versions:
            raise PreconditionFailedError(OTHER_VERSION)
        if self._resource.mapped.mapper.version_id_col is None:
            setattr(context.row, version.name, present + 1)
            response.headers["ETag"] = etag(present + 1)
        return context

    async def collection(self, request: Request, session: SessionDep) -> CollectionContext[M]:
        """All rows."""
        access = self._operations.access(request)
        repository = Repository(self._operations.engine, self._model, session, access)
        return CollectionContext(session, repository, access.principal, request)

    async def _item(
        self, request: Request, session: AsyncSession, identity: Mapping[str, Any], *, lock: bool
    ) -> ItemContext[M]:
        found = await self.collection(request, session)
        row = await found.repository.find(identity, lock=lock)
        if row is None:
            raise self._resource.not_found()
        return ItemContext(row, session, found.repository, found.principal, request)
