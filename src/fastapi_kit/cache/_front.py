"""Which requests may be answered before they are routed: those whose route is proved to do nothing else.

Theory of operation. A hit has to do all that the route would do before its endpoint is called. Where that is nothing,
FastAPI's own work on the request is the larger part of a hit, and can be spared. So a path and query that have come to
a cached endpoint once are remembered, if all of this holds: everybody shares the answer; no inclusion of the route has
a dependency, its own or inherited, or a parameter besides those in path and query; the route is FastAPI's own; and no
middleware but the error boundary lies between the layer and the route. That an endpoint does more is found out once;
that it does not, once for the routes that there are, as a router may be included once more. What observes requests is
told of the route as if it had been taken.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from fastapi import FastAPI
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute
from starlette.routing import BaseRoute
from starlette.types import Scope

from fastapi_kit._routes import routers_below, walk
from fastapi_kit.cache._key import key_of
from fastapi_kit.cache._policy import CachePolicy
from fastapi_kit.errors import ErrorBoundaryMiddleware

_MOST_HOSTS = 10
_MOST = 10_000
"""Paths and queries that are remembered; when there are more, all are learned anew."""


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of a path and query.

    Attributes:
        policy: Of the endpoint.
        name: Of the endpoint.
        routed: What routing leaves in the scope.
        keys: By host, where the key depends on no other header.
    """

    policy: CachePolicy
    name: str
    routed: dict[str, Any]
    keys: dict[bytes, str] = field(default_factory=dict[bytes, str])

    def key(self, scope: Scope, headers: Mapping[bytes, bytes]) -> str:
        """The key of the answer to a request for this path and query."""
        if self.policy.vary:
            return key_of(self.policy, self.name, scope, headers)
        host = headers.get(b"host", b"")
        key = self.keys.get(host)
        if key is None:
            key = key_of(self.policy, self.name, scope, headers)
            if len(self.keys) < _MOST_HOSTS:
                self.keys[host] = key
        return key


class Front:
    """Remembers requests of one layer.

    Args:
        layer: The class of the layer, by which its place in the app is found.
    """

    def __init__(self, layer: type) -> None:
        self._layer = layer
        self._known: dict[tuple[str, bytes], Known] = {}
        self._busy: dict[int, object] = {}
        self._idle: dict[int, object] = {}
        self._routes: list[BaseRoute] = []

    def known(self, scope: Scope) -> Known | None:
        """What is known of this request."""
        if not self._known or scope["method"] != "GET":
            return None
        return self._known.get((scope["path"], scope["query_string"]))

    def remember(self, endpoint: Callable[..., Any], policy: CachePolicy, name: str, scope: Scope) -> None:
        """Remember a request that has come to `endpoint`, if it need not do so again."""
        if policy.scope != "public" or callable(policy.tags) or not self._is_proved(endpoint, scope.get("app")):
            return
        if len(self._known) >= _MOST:
            self._known.clear()
        routed = {key: scope[key] for key in ("router", "endpoint", "path_params") if key in scope}
        self._known[scope["path"], scope["query_string"]] = Known(policy, name, routed)

    def _is_proved(self, endpoint: Callable[..., Any], app: object) -> bool:
        if id(endpoint) in self._busy or not isinstance(app, FastAPI):
            return False
        routes = [*app.routes, *(route for router in routers_below(app.routes) for route in router.routes)]
        if routes != self._routes:
            self._routes = routes
            self._idle.clear()
        if id(endpoint) in self._idle:
            return True
        proved = self._is_innermost(app) and _does_nothing_else(app, endpoint)
        (self._idle if proved else self._busy)[id(endpoint)] = endpoint  # kept, so that its id stays its own
        return proved

    def _is_innermost(self, app: FastAPI) -> bool:
        layers: list[object] = [middleware.cls for middleware in app.user_middleware]
        if self._layer not in layers:
            return False
        inside = layers[layers.index(self._layer) + 1 :]
        return all(layer is ErrorBoundaryMiddleware for layer in inside)


def _does_nothing_else(app: FastAPI, endpoint: Callable[..., Any]) -> bool:
    contexts = [context for context in walk(app.routes) if context.endpoint is endpoint]
    return bool(contexts) and all(
        type(context.original_route) is APIRoute and not context.dependencies and _takes_only_the_url(context.dependant)
        for context in contexts
    )


def _takes_only_the_url(dependant: Dependant) -> bool:
    return not (dependant.dependencies or dependant.header_params or dependant.cookie_params or dependant.body_params)
