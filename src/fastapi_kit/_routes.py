"""The one place that knows FastAPI's route tree.

Since FastAPI 0.137 `app.routes` is a tree of opaque inclusion nodes, `scope["route"].path` lacks the prefix under
which its router was included, and a route included twice is one object with two paths.
`fastapi.routing.iter_route_contexts` is the public walk over that tree: it yields each route once per inclusion,
with the path and the dependencies that hold there.

What a routed request leaves in its scope is less than it seems: `route` is missing for plain Starlette routes and
is the route without its prefix for included ones; `app` is the innermost application; `root_path` holds the values
of a mount's parameters, not their names. Two keys can be relied on: `router`, which the outermost router sets once,
and `endpoint`, which whatever matched last sets. So the places of each endpoint are indexed below the outermost
router, and the request's path tells between several places of one endpoint.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter
from fastapi.routing import RouteContext, iter_route_contexts
from starlette.applications import Starlette
from starlette.routing import BaseRoute, Host, Match, Mount, Router
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

_INDEX = "_fastapi_kit_index"
_MOST_FOREIGN = 10_000
_ANY_PATH = re.compile("^/(?P<path>.*)$", re.DOTALL)


def walk(routes: Sequence[BaseRoute]) -> Iterator[RouteContext]:
    """Every route below `routes`, once per inclusion; mounts are yielded, not entered."""
    return iter_route_contexts(routes)


def contexts_of(app: Starlette, route: BaseRoute) -> list[RouteContext]:
    """The inclusions of `route` in `app`; empty for a route that `app` does not hold.

    Walks all routes of `app`, so call it at start-up rather than in each request; late inclusions are seen by the
    next call.
    """
    return [context for context in walk(app.routes) if context.original_route is route]


def included_router(node: BaseRoute) -> APIRouter | None:
    """The router whose inclusion `node` is, if it is one.

    FastAPI calls it `original_router`, as it calls the route of a context `original_route`, but does not document it.
    """
    router = getattr(node, "original_router", None)
    return router if isinstance(router, APIRouter) else None


def routers_below(nodes: Sequence[BaseRoute]) -> Iterator[APIRouter]:
    """The routers that are included in `nodes`, and those in them, once per inclusion."""
    for node in nodes:
        router = included_router(node)
        if router is not None:
            yield router
            yield from routers_below(router.routes)


def template(scope: Scope) -> str | None:
    """The full path template that this request matched (`/cities/{id}`), or `None` if it matched no route.

    Prefixes of included routers and of mounts are part of it, with their parameters by name, so a label made from
    it is of bounded cardinality. A request to a mounted application whose routes cannot be seen (static files, an
    application inside a middleware) gets the mount's template, `/static/{path}`. Ask after the request was routed,
    with the scope it was routed with.
    """
    endpoint = scope.get("endpoint")
    router = scope.get("router")
    if endpoint is None or router is None:
        return None
    index: _Index | None = getattr(router, _INDEX, None)
    if index is None:
        # Kept on the router itself: the routes refer back to it, so a table of ours would keep every application alive.
        index = _Index(router)
        setattr(router, _INDEX, index)
    return index.template(endpoint, _full_path(scope), scope.get("method"))


def allowed_methods(scope: Scope) -> set[str]:
    """Every method that the application serves at this request's path, through inclusions and mounts.

    Empty where no route of the request's application matches the path, and for static files served by `app.frontend`.
    """
    router = scope.get("router") or scope.get("app")
    return set() if router is None else _methods_at(router.routes, _full_path(scope), scope)


def path_below(path: str, root: str) -> str:
    """What a router that is served under `root` goes by.

    As in Starlette, a root path that the path does not start with was already stripped by the proxy.
    """
    if root and path.startswith(root) and path[len(root) : len(root) + 1] in {"", "/"}:
        return path[len(root) :]
    return path


@dataclass(frozen=True, slots=True)
class Place:
    """One way to an endpoint: the patterns that a path passes from the outermost mount inwards."""

    template: str
    patterns: tuple[re.Pattern[str], ...]
    methods: set[str] | None
    endpoint: object
    """Kept so that its `id` stays its own."""
    opaque: bool = False
    """Whether it is a mounted application whose routes cannot be seen."""

    def holds(self, path: str) -> bool:
        """Whether the path, as the outermost router sees it, leads here."""
        if len(self.patterns) == 1:
            return self.patterns[0].match(path) is not None
        for pattern in self.patterns[:-1]:
            found = pattern.match(path)
            if found is None:
                return False
            path = "/" + found["path"]
        return self.patterns[-1].match(path) is not None


def places(
    routes: Sequence[BaseRoute], prefix: str = "", patterns: tuple[re.Pattern[str], ...] = ()
) -> Iterator[Place]:
    """Every place below `routes`, through inclusions and mounts, in the order in which a router tries them."""
    for context in walk(routes):
        pattern: re.Pattern[str] | None = getattr(context, "path_regex", None)
        if isinstance(context.original_route, Mount | Host):
            outer = prefix + (context.path_format or "").removesuffix("/{path}")
            yield from _mounted(context, outer, (*patterns, pattern) if pattern else patterns)
        elif pattern is not None:
            template = prefix + (context.path_format or "")
            yield Place(template, (*patterns, pattern), context.methods, context.endpoint)


def _mounted(context: RouteContext, prefix: str, patterns: tuple[re.Pattern[str], ...]) -> Iterator[Place]:
    mounted: Any = context.app
    if context.routes:
        yield from places(context.routes, prefix, patterns)
    else:
        yield Place(prefix + "/{path}", patterns or (_ANY_PATH,), None, mounted, opaque=True)


def _mounts_below(routes: Sequence[BaseRoute]) -> Iterator[Any]:
    for context in walk(routes):
        if isinstance(context.original_route, Mount | Host):
            yield context.app
            yield from _mounts_below(context.routes)


class _Index:
    """The places of every endpoint below one router; built again when an unknown endpoint turns up."""

    def __init__(self, router: Router) -> None:
        self._router = router
        self._foreign: set[int] = set()
        self._build()

    def _build(self) -> None:
        self._places: dict[int, list[Place]] = {}
        self._opaque: list[Place] = []
        for place in places(self._router.routes):
            self._places.setdefault(id(place.endpoint), []).append(place)
            if place.opaque:
                self._opaque.append(place)
        for mounted in _mounts_below(self._router.routes):
            # The endpoint of a request that got to the mount and no further; below visible routes that is: to no route.
            self._places.setdefault(id(mounted), [])
        # As most endpoints are: at one place, with one pattern.
        alone = {
            key: found[0] for key, found in self._places.items() if len(found) == 1 and len(found[0].patterns) == 1
        }
        self._alone = {key: (place.patterns[0].match, place.template) for key, place in alone.items()}

    def template(self, endpoint: object, path: str, method: str | None) -> str | None:
        alone = self._alone.get(id(endpoint))
        if alone is not None and alone[0](path) is not None:
            return alone[1]
        places = self._places_of(endpoint)
        place = _first(self._opaque if places is None else places, path, method)
        if place is None and places:
            # A known endpoint at an unknown path: it was included once more since, or is inside an opaque mount, too.
            self._build()
            place = _first([*self._places.get(id(endpoint), ()), *self._opaque], path, method)
        return None if place is None else place.template

    def _places_of(self, endpoint: object) -> list[Place] | None:
        """The places of `endpoint`, or `None` for one inside an opaque mount, which is looked for only once."""
        key = id(endpoint)
        places = self._places.get(key)
        if places is None and key not in self._foreign:
            self._build()
            places = self._places.get(key)
            if places is None and len(self._foreign) < _MOST_FOREIGN:
                self._foreign.add(key)
        return places


def _first(places: Iterable[Place], path: str, method: str | None) -> Place | None:
    """The place that the router chose: the first that serves the method, else the first that matches the path."""
    partial: Place | None = None
    for place in places:
        if place.holds(path):
            if place.methods is None or method in place.methods:
                return place
            partial = partial or place
    return partial


def _methods_at(routes: Sequence[BaseRoute], path: str, scope: Scope) -> set[str]:
    found: set[str] = set()
    for context in walk(routes):
        route = context.original_route
        if isinstance(route, Host):
            if context.matches(scope)[0] is not Match.NONE:
                return found | _methods_at(context.routes, path, scope)
            continue
        pattern: re.Pattern[str] | None = getattr(context, "path_regex", None)
        matched = pattern.match(path) if pattern is not None else None
        if matched is None:
            continue
        if isinstance(route, Mount):
            # A mount takes every request under its path: routes declared after it are not reached.
            inner = _methods_at(context.routes, "/" + matched["path"], scope)
            return found | inner | ({"GET", "HEAD"} if isinstance(context.app, StaticFiles) else set())
        found |= context.methods or set()
    return found


def _full_path(scope: Scope) -> str:
    """The path as the outermost router sees it: without the server's root path, whatever was mounted since."""
    root = scope.get("app_root_path", scope.get("root_path", ""))
    return path_below(scope["path"], root) if root else scope["path"]
