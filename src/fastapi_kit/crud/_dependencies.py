"""Dependencies that need no more than the request, called without FastAPI's solver.

Theory of operation. FastAPI walks over the tree of a route's dependencies for each request: it makes a response for
them, looks for parameters and overrides, tells functions from generators. Where each dependency is an async function
that takes the request or what others have returned, as those that authenticate are, the walk comes to the same calls
each time. They are put in a list once, in the order of `fastapi.dependencies.utils.solve_dependencies` and with what it
calls once for several (`use_cache`). A tree with anything else in it, a parameter, a `yield`, a function for a thread,
is left to FastAPI whole. A property test has FastAPI solve the same trees.
"""

from collections.abc import Awaitable, Callable, Sequence
from inspect import isclass, iscoroutinefunction, isroutine, unwrap
from typing import Any, NamedTuple

from fastapi import Request
from fastapi.dependencies.models import Dependant
from fastapi.security.base import SecurityBase


class Call(NamedTuple):
    """One call of a dependency."""

    function: Callable[..., Awaitable[Any]]
    requests: tuple[str, ...]
    """The arguments that take the request."""
    results: tuple[tuple[str, int], ...]
    """The arguments that take what another returned, and the place of its call."""


async def call_in_turn(calls: Sequence[Call], request: Request) -> None:
    """Call the dependencies; what one raises, as a 401, ends it."""
    returned: list[Any] = []
    for function, requests, results in calls:
        arguments: dict[str, Any] = dict.fromkeys(requests, request)
        for name, place in results:
            arguments[name] = returned[place]
        returned.append(await function(**arguments))


def calls_of(dependencies: Sequence[Dependant]) -> tuple[Call, ...] | None:
    """The calls that solve these dependencies; `None` if it takes more than calls."""
    plan = _Plan()
    try:
        for dependency in dependencies:
            plan.place_of(dependency)
    except _NotPlainError:
        return None
    return tuple(plan.calls)


class _NotPlainError(Exception):
    """FastAPI has to solve it."""


class _Plan:
    def __init__(self) -> None:
        self.calls: list[Call] = []
        self._places: dict[object, int] = {}

    def place_of(self, dependant: Dependant) -> int:
        """The place of its call, which is added after those of its own dependencies."""
        function = _plain(dependant)
        # Those of one that is not called again are solved nevertheless, and may be called again.
        results = [(child.name, self.place_of(child)) for child in dependant.dependencies]
        shared = (function, _scopes(dependant), dependant.scope)
        if dependant.use_cache and shared in self._places:
            return self._places[shared]
        names = (dependant.request_param_name, dependant.http_connection_param_name)
        self.calls.append(
            Call(
                function,
                tuple(name for name in names if name is not None),
                tuple((name, place) for name, place in results if name is not None),
            )
        )
        place = len(self.calls) - 1
        self._places.setdefault(shared, place)  # what is called again is not what others share
        return place


def _plain(dependant: Dependant) -> Callable[..., Awaitable[Any]]:
    """The function, if calling it with the request and what others return is all there is to do."""
    function = dependant.call
    more = (
        dependant.path_params,
        dependant.query_params,
        dependant.header_params,
        dependant.cookie_params,
        dependant.body_params,
        dependant.websocket_param_name,
        dependant.response_param_name,
        dependant.background_tasks_param_name,
        dependant.security_scopes_param_name,
        dependant.concurrency,
    )
    if function is None or any(more) or not _is_async(function):
        raise _NotPlainError
    return function


def _is_async(function: Callable[..., Any]) -> bool:
    """Whether FastAPI would await it: it looks through decorators too, which is left to FastAPI."""
    if isclass(function) or unwrap(function) is not function:
        return False
    return iscoroutinefunction(function if isroutine(function) else getattr(function, "__call__", None))  # noqa: B004


def _scopes(dependant: Dependant) -> tuple[str, ...]:
    """The OAuth scopes for which it is called apart from other scopes."""
    if not _asks_for_scopes(dependant):
        return ()
    return tuple(sorted({*(dependant.parent_oauth_scopes or ()), *(dependant.own_oauth_scopes or ())}))


def _asks_for_scopes(dependant: Dependant) -> bool:
    return (
        bool(dependant.own_oauth_scopes)
        or isinstance(dependant.call, SecurityBase)
        or any(map(_asks_for_scopes, dependant.dependencies))
    )
