"""Where a request will go, known before the app routes it."""

from collections.abc import Iterable, Sequence

from starlette.routing import BaseRoute
from starlette.types import Scope

from fastapi_kit._routes import Place, path_below, places


class RouteTable:
    """The routes of an app, by the first segment of their path, in the order in which the router tries them.

    Args:
        routes: The app's routes, complete.
    """

    def __init__(self, routes: Sequence[BaseRoute]) -> None:
        self.places = list(places(routes))
        self._wild: list[Place] = []
        self._by_segment: dict[str, list[Place]] = {}
        self._literal: dict[tuple[str | None, str], Place] = {}
        for place in self.places:
            self._add(place)

    def find(self, scope: Scope) -> Place | None:
        """The route that a request will get; `None` for none. Where only methods do not match, the first such route."""
        root = scope.get("root_path")
        path: str = path_below(scope["path"], root) if root else scope["path"]
        method: str | None = scope.get("method")
        return self._literal.get((method, path)) or self._search(method, path)

    def _search(self, method: str | None, path: str) -> Place | None:
        partial: Place | None = None
        for place in self._candidates(path):
            if place.holds(path):
                if place.methods is None or method in place.methods:
                    if path == place.template and (method is None or place.methods):  # no more than there are routes
                        self._literal[method, path] = place
                    return place
                partial = partial or place
        return partial

    def _candidates(self, path: str) -> Iterable[Place]:
        return self._by_segment.get(_segment(path), self._wild)

    def _add(self, place: Place) -> None:
        segment = _segment(place.template)
        if "{" in segment:
            self._wild.append(place)
            for others in self._by_segment.values():
                others.append(place)
        else:
            self._by_segment.setdefault(segment, list(self._wild)).append(place)


def _segment(path: str) -> str:
    return path[1:].partition("/")[0]
