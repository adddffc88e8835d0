"""An index over an app's routes, so that finding one of hundreds costs what finding the only one costs.

Theory of operation. A router asks its routes one after the other whether they match. `index_routes` puts one more route
in front, which knows which of the others can match a path at all. Everything in `app.routes`, be it a route, an
inclusion or a mount, is a *node*. The paths below a node begin with literal segments (`/api/books/{id}`: `api`,
`books`), and those of all nodes make a tree. A request walks down that tree by the segments of its path and ends at
few candidates, in declared order. The first of them that matches fully takes the request.

Nothing is decided by the index itself, which is why it cannot decide otherwise than the router:

- A candidate is asked by its own `matches` and entered by its own `handle`, both public. All that FastAPI does below
  (dependencies, limits, methods, templates) it does as ever. Native telemetry wants to be told the template by the
  router that a route is in, so where it traces, a route is entered through a router of its own.
- Nodes that are no candidates are those that would not have matched. Where a path has a parameter instead of a literal
  segment, its node is a candidate for every segment, at its place in the order. So is a node whose way of matching is
  not known to go by the literal text: hosts, routes and routers with a `matches` or a pattern of their own.
- A request that no candidate matches fully (404, 405, redirected to its slash, low-priority files) is left to the
  routes behind the index, which come to their own result about it.
- Routes may come and go: on each request the index compares what it was built from, and is built again if that differs.

FastAPI's inclusions are opaque. Their paths come from the public walk over the tree, and whether routes were added
inside of one from its router. An inclusion that did not tell its router would be taken as one that can match any path.
A router inside an included router is searched by FastAPI: there is no public way to enter at it.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from operator import is_
from typing import Any

from fastapi import APIRouter, FastAPI
from fastapi.routing import APIRoute, APIWebSocketRoute, RouteContext
from starlette.routing import BaseRoute, Match, Mount, NoMatchFound, Route, WebSocketRoute
from starlette.types import ASGIApp, Receive, Scope, Send

from fastapi_kit._routes import included_router, path_below, routers_below, walk

_ASKED = "fastapi_kit.route_index.asked"
"""Scope key of the indexes that were asked about this request: a mounted app may have its own."""
_CHOSEN = "fastapi_kit.route_index.chosen"
"""Scope key of the way into the candidate that matched."""
_TELEMETRY = "fastapi.telemetry"
"""Scope key that FastAPI's native telemetry sets where it traces."""

_MATCHING_BY_PATTERN = {kind.matches for kind in (Route, WebSocketRoute, Mount, APIRoute, APIWebSocketRoute)}

Segments = tuple[str, ...]


def index_routes(app: FastAPI) -> None:
    """Let requests find their route as fast in an app with hundreds of routers as in one with a single router.

    They are answered as without it. A request compares the routers with those that were indexed, which takes about 50
    nanoseconds for each; asking them for a match takes 20 microseconds. Call it once the routes are there, at start-up
    or at the end of the module that makes the app. Routes that come later work as well; when some came, the next
    request builds the index again. Calling it twice is calling it once.

    Routers are told apart by their paths, so each has to be included in the app itself, under one prefix or several.
    Those inside another router are searched by FastAPI, route by route.

    Example:
        >>> app = FastAPI()
        >>> @app.get("/books/{id}")
        ... async def read_book(id: int) -> int:
        ...     return id
        >>> index_routes(app)
    """
    if not any(isinstance(node, RouteIndex) for node in app.router.routes):
        index = RouteIndex(app.router)
        app.router.routes.insert(0, index)
        index.table()


class _Candidate:
    """A node, and the ways into it."""

    def __init__(self, node: BaseRoute) -> None:
        self.node = node

    def chosen(self, scope: Scope) -> Scope | None:
        """What the router has to put into the scope for the index to handle the request; `None` without a match."""
        match, child_scope = self.node.matches(scope)
        if match is not Match.FULL:
            return None
        if _TELEMETRY in scope:
            return {_CHOSEN: self._traced}
        return {**child_scope, _CHOSEN: self.node.handle}

    @cached_property
    def _traced(self) -> ASGIApp:
        """Handle a request that the node matches, and name the template to native telemetry."""
        if included_router(self.node) is not None:
            return self.node.handle
        # It does what the router in front does with a route that matches, and takes a while to make.
        alone = APIRouter(redirect_slashes=False)
        alone.routes.append(self.node)
        return alone


@dataclass(frozen=True, slots=True)
class _Branch:
    """What is below some literal segments.

    Args:
        deeper: The branch of each segment that some path has here.
        candidates: The nodes, in declared order, that can match a path which has another segment here, or none.
    """

    deeper: dict[str, "_Branch"]
    candidates: Sequence[_Candidate]

    def find(self, path: str) -> Sequence[_Candidate]:
        """The nodes that can match `path`, in declared order."""
        branch = self
        for segment in path.split("/")[1:]:
            deeper = branch.deeper.get(segment)
            if deeper is None:
                break
            branch = deeper
        return branch.candidates


class _Table:
    """The index over what was declared at one time."""

    def __init__(self, nodes: Sequence[BaseRoute]) -> None:
        self._nodes = tuple(nodes)
        # FastAPI's own caches see additions below an inclusion and nothing else, hence lengths.
        self._inner = [router.routes for router in routers_below(nodes)]
        self._lengths = [*map(len, self._inner)]
        entries = [
            (candidate, segments)
            for candidate in map(_Candidate, nodes)
            if not isinstance(candidate.node, RouteIndex)
            for segments in sorted(_literals(candidate.node))
        ]
        self.find = _grow(entries, depth=0).find

    def is_of(self, nodes: Sequence[BaseRoute]) -> bool:
        """Whether nothing was declared or taken back since."""
        return (
            len(nodes) == len(self._nodes)
            and all(map(is_, nodes, self._nodes))
            and [*map(len, self._inner)] == self._lengths
        )


class RouteIndex(BaseRoute):
    """The route in front, made by `index_routes`.

    It answers the router alone, once per request. Others who ask the routes of an app (instrumentation does, before the
    router or after it) and the router's second question, about the path with or without a slash, get the answer of the
    routes themselves.
    """

    def __init__(self, router: APIRouter) -> None:
        self._router = router
        self._table = _Table(())

    def table(self) -> _Table:
        """The index over what is declared now."""
        table, nodes = self._table, self._router.routes
        if not table.is_of(nodes):
            table = self._table = _Table(nodes)
        return table

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Match if a candidate does."""
        asked: tuple[RouteIndex, ...] = scope.get(_ASKED, ())
        if "router" not in scope or self in asked:
            return Match.NONE, {}
        scope[_ASKED] = (*asked, self)
        path = path_below(scope["path"], scope.get("root_path", ""))
        if path.endswith("\n"):  # the `$` of a pattern matches before it, so it may belong to a literal segment or not
            return Match.NONE, {}
        for candidate in self.table().find(path):
            chosen = candidate.chosen(scope)
            if chosen is not None:
                return Match.FULL, chosen
        return Match.NONE, {}

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the candidate handle it."""
        enter: ASGIApp = scope.pop(_CHOSEN)
        await enter(scope, receive, send)

    def url_path_for(self, name: str, /, **path_params: Any) -> Any:
        """Leave it to the routes."""
        raise NoMatchFound(name, path_params)


def _literals(node: BaseRoute) -> set[Segments]:
    """What the paths below `node` begin with; nothing, `()`, where it may match any path."""
    contexts = list(walk([node]))
    routers = list(routers_below([node]))
    if not routers and any(context.original_route is not node for context in contexts):
        return {()}  # an inclusion into which one cannot see
    if any(type(router).matches is not APIRouter.matches for router in routers):
        return {()}
    return {_literal_segments(context) for context in contexts}


def _literal_segments(context: RouteContext) -> Segments:
    pattern: re.Pattern[str] | None = getattr(context, "path_regex", None)
    if pattern is None or type(context.original_route).matches not in _MATCHING_BY_PATTERN:
        return ()
    text, parametrised, _ = (context.path_format or "").partition("{")
    if parametrised:
        text = text[: text.rfind("/") + 1]
    start = "^" + re.escape(text) + ("" if parametrised else "$")
    if pattern.flags != re.UNICODE or not pattern.pattern.startswith(start):
        return ()  # somebody put another pattern in its place
    segments = text.split("/")[1:]
    return tuple(segments[:-1] if parametrised else segments)


def _grow(entries: Sequence[tuple[_Candidate, Segments]], depth: int) -> _Branch:
    """The branch of all entries that have their first `depth` segments in common, or fewer."""
    here = tuple(dict.fromkeys(candidate for candidate, segments in entries if len(segments) <= depth))
    deeper: dict[str, list[tuple[_Candidate, Segments]]] = {
        segments[depth]: [] for _, segments in entries if len(segments) > depth
    }
    for entry in entries:
        _, segments = entry
        for below in [deeper[segments[depth]]] if len(segments) > depth else deeper.values():
            below.append(entry)
    return _Branch({segment: _grow(below, depth + 1) for segment, below in deeper.items()}, here)
