"""The one place that knows FastAPI's route tree.

Since FastAPI 0.137 `app.routes` is a tree of opaque inclusion nodes, `scope["route"].path` lacks the prefix under which its
router was included, and a route included twice is one object with two paths. `fastapi.routing.iter_route_contexts` is the
public walk over that tree: it yields each route once per inclusion, with the path and the dependencies that hold there.
"""

from collections.abc import Iterator, Sequence
from weakref import WeakKeyDictionary

from fastapi.routing import RouteContext, iter_route_contexts
from starlette.applications import Starlette
from starlette.routing import BaseRoute, Match, Mount
from starlette.types import Scope

_ContextsByRoute = dict[BaseRoute, list[RouteContext]]
_contexts: WeakKeyDictionary[Starlette, _ContextsByRoute] = WeakKeyDictionary()


def walk(routes: Sequence[BaseRoute]) -> Iterator[RouteContext]:
    """Every route below `routes`, once per inclusion; mounts are yielded, not entered."""
    return iter_route_contexts(routes)


def contexts_of(app: Starlette, route: BaseRoute) -> list[RouteContext]:
    """The inclusions of `route` in `app`; empty for a route that `app` does not hold.

    The walk is made once per app and again when a route is asked for that it did not hold, so late inclusions are seen.
    """
    known = _contexts.get(app)
    if known is None or route not in known:
        known = {}
        for context in walk(app.routes):
            known.setdefault(context.original_route, []).append(context)
        known.setdefault(route, [])
        _contexts[app] = known
    return known[route]


def template(scope: Scope) -> str | None:
    """The full path template that this request matched (`/cities/{id}`), or `None` if it matched no route.

    Prefixes of included routers and of mounts are part of it, so a label made from it is of bounded cardinality.
    """
    route: BaseRoute | None = scope.get("route")
    app: Starlette | None = scope.get("app")
    if route is None or app is None:
        return None
    mount = _mount_prefix(scope)
    contexts = contexts_of(app, route)
    if len(contexts) == 1:
        return mount + (contexts[0].path or "")
    path = scope["path"][len(scope.get("root_path", "")) :] if mount else scope["path"]
    for context in contexts:
        pattern = getattr(context, "path_regex", None)
        if pattern is not None and pattern.match(path):
            return mount + (context.path or "")
    return mount + getattr(route, "path", "")


def allowed_methods(app: Starlette, scope: Scope) -> set[str]:
    """Every method that some route of `app` serves at this request's path."""
    methods: set[str] = set()
    for context in walk(app.routes):
        route = context.original_route
        pattern = getattr(context, "path_regex", None)
        if isinstance(route, Mount):
            if route.matches(scope)[0] is not Match.NONE:
                methods |= set(getattr(context, "methods", None) or ())
        elif pattern is not None and pattern.match(_route_path(scope)):
            methods |= set(context.methods or ())
    return methods


def _route_path(scope: Scope) -> str:
    path: str = scope["path"]
    root: str = scope.get("root_path", "")
    return path[len(root) :] if root and path.startswith(root) else path


def _mount_prefix(scope: Scope) -> str:
    root: str = scope.get("root_path", "")
    outer: str = scope.get("app_root_path", "")
    return root[len(outer) :]
