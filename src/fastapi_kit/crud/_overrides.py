"""Overrides: a function of the app in place of a generated operation, which can still ask for the generated answer."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from fastapi import Request, Response
from pydantic_core import to_json
from sqlalchemy.ext.asyncio import AsyncSession

from fastapi_kit._principal import principal_of
from fastapi_kit.crud._http import json_response
from fastapi_kit.crud._operations import Operation


@dataclass(frozen=True)
class OverrideContext:
    """What an override is given.

    Attributes:
        request: The request.
        principal: Who asks.
        session: The request's session, if a dependency has opened one.
    """

    request: Request
    principal: Any
    session: AsyncSession | None
    _default: Operation

    async def default(self) -> Response:
        """What the generated operation answers."""
        return await self._default(self.request, self.session)


Override = Callable[[OverrideContext], Awaitable[Any]]


def overridden(default: Operation, override: Override) -> Operation:
    """An operation that is answered by `override`."""

    async def operation(request: Request, session: AsyncSession | None) -> Response:
        answer = await override(OverrideContext(request, principal_of(request.scope), session, default))
        return answer if isinstance(answer, Response) else json_response(to_json(answer))

    return operation
