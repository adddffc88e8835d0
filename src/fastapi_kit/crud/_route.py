"""The route class: FastAPI's own handling of a request, without the parts that a route proves not to need.

Theory of operation. `APIRoute.handle` is left alone, so methods, body limits and exception handling are FastAPI's.
`get_route_handler` is called by FastAPI once for each inclusion of the route in an app; its result is called for each
request. Solving the dependencies of a route that has none still costs as much as the query itself, so such an inclusion
calls the operation directly, and one whose dependencies need no more than the request calls them first, see
`_dependencies`. Which it has depends on the app, its routers and every `include_router` above it, and a mistake would
skip an authentication: it is therefore not deduced but looked up, in the app, on the inclusion's first request.
`iter_route_contexts` tells the dependencies of each inclusion, and calling an inclusion's ASGI app tells which one it
is. An inclusion that is not found there (a router under a bare mount) is never direct; one that comes late looks itself
up when its first request comes; `dependency_overrides` are looked at on each request. The session is no dependency of a
route, as opening one that nobody uses costs as much again; only an app that overrides it has it solved.
"""

from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute, RouteContext
from pydantic import BaseModel
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.types import Message, Scope

from fastapi_kit._asgi import SESSION
from fastapi_kit._routes import contexts_of
from fastapi_kit.crud._dependencies import Call, call_in_turn, calls_of
from fastapi_kit.crud._http import FOREIGN_PARAMETERS
from fastapi_kit.crud._operations import Operation
from fastapi_kit.db import SessionDep, get_session

_ROLL_CALL = "fastapi_kit.crud.roll_call"
"""Scope key of a list into which the inclusion that is called puts itself."""

Handler = Callable[[Request], Coroutine[Any, Any, Response]]


class Endpoint:
    """An operation as an endpoint; it works in the session of the request's dependencies, if they opened one."""

    def __init__(self, operation: Operation) -> None:
        self.operation = operation

    async def __call__(self, request: Request) -> Response:
        """Answer the request."""
        return await self.operation(request, request.scope.get(SESSION))

    async def in_session(self, request: Request, session: SessionDep) -> Response:
        """Answer the request in a session that was put in place of the kit's."""
        return await self.operation(request, session)


class HeadEndpoint(Endpoint):
    """HEAD: the answer of another endpoint without its body (RFC 9110, section 9.3.2)."""

    def __init__(self, endpoint: Endpoint) -> None:
        async def head(request: Request, session: AsyncSession | None) -> Response:
            answer = await endpoint.operation(request, session)
            return Response(status_code=answer.status_code, headers=answer.headers)

        super().__init__(head)


class CRUDRoute(APIRoute):
    """A route of a `CRUDRouter`; FastAPI's own, but for an `Endpoint`."""

    def get_route_handler(self) -> Handler:
        """The handler of one inclusion of this route."""
        handler = super().get_route_handler()
        if not isinstance(self.endpoint, Endpoint):
            return handler  # a route that the app adds to a CRUDRouter
        return _Inclusion(self, self.endpoint, handler).handle


@dataclass(frozen=True)
class _Standing:
    """What an inclusion has found out about itself."""

    calls: tuple[Call, ...] | None
    """What solves its dependencies, its own and inherited ones, without FastAPI; `None` if only FastAPI can."""
    parameters: frozenset[str]
    """Names of the query parameters that its dependencies take."""
    in_session: Handler | None
    """The same inclusion with the session as a dependency, for apps that override it."""


class _Inclusion:
    """One inclusion of a route in an app."""

    def __init__(self, route: CRUDRoute, endpoint: Endpoint, solved: Handler) -> None:
        self._route = route
        self._endpoint = endpoint
        self._solved = solved
        self._standing: _Standing | None = None

    async def handle(self, request: Request) -> Response:
        scope = request.scope
        if _ROLL_CALL in scope:
            scope[_ROLL_CALL].append(self)
            return Response()
        standing = self._standing
        if standing is None:
            standing = self._standing = await self._look_up(scope.get("app"))
        overrides = scope["app"].dependency_overrides if standing.in_session else ()
        if standing.calls is not None and not overrides:
            if standing.calls:
                await call_in_turn(standing.calls, request)
            return await self._endpoint.operation(request, None)
        scope[FOREIGN_PARAMETERS] = standing.parameters
        if standing.in_session and get_session in overrides:
            return await standing.in_session(request)
        return await self._solved(request)

    async def _look_up(self, app: object) -> _Standing:
        if isinstance(app, FastAPI):
            for context in contexts_of(app, self._route):
                if await self._is_of(context):
                    return self._stand(context)
        parameters = frozenset(_query_parameters(self._route.dependant))
        return _Standing(calls=None, parameters=parameters, in_session=None)

    def _stand(self, context: RouteContext) -> _Standing:
        twin = APIRoute(
            str(context.path),
            self._endpoint.in_session,
            dependencies=context.dependencies,
            dependency_overrides_provider=context.dependency_overrides_provider,
        )
        parameters = frozenset(_query_parameters(context.dependant))
        calls = calls_of(context.dependant.dependencies)
        return _Standing(calls, parameters, twin.get_route_handler())

    async def _is_of(self, context: RouteContext) -> bool:
        present: list[_Inclusion] = []
        scope: Scope = {"type": "http", "method": "GET", "path": "/", "query_string": b"", "headers": []}
        await context.app({**scope, _ROLL_CALL: present}, _receive, _send)
        return self in present


async def _receive() -> Message:
    return {"type": "http.request", "body": b"", "more_body": False}


async def _send(message: Message) -> None:
    """The answer to a roll call is the list."""


def _query_parameters(dependant: Dependant) -> Iterator[str]:
    for field in dependant.query_params:
        annotation = field.field_info.annotation
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            yield from (inner.alias or name for name, inner in annotation.model_fields.items())
        else:
            yield field.alias
    for child in dependant.dependencies:
        yield from _query_parameters(child)
