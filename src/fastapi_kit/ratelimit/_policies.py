"""Which limit holds for which route, decided before the app routes the request.

A policy is for a path template, with or without a method, for all templates under a prefix (`/admin/*`), or for
everything (`*`). The most exact one holds, and it alone. Routes are looked at in the order in which the router does, so
a request falls under the policy of the route that it will get, whatever other templates its path matches.
"""

from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from typing import NamedTuple

from starlette.routing import BaseRoute
from starlette.types import Scope

from fastapi_kit._routes import Place, path_below, places
from fastapi_kit.ratelimit._limit import RateLimit

_EVERYTHING = "*"
_UNDER = "/*"


class UnmatchedLimitError(RuntimeError):
    """A policy is for a route that the app does not have; the message names those that are alike."""


class Policy(NamedTuple):
    """A limit and what it is for."""

    key: str
    limit: RateLimit | None
    """`None` where there is none on purpose."""


class Policies:
    """Finds the policy of a request.

    Args:
        policies: By `POST /login`, `/books/{id}`, `/admin/*` or `*`; `None` for no limit.
        routes: The app's routes, complete.

    Raises:
        UnmatchedLimitError: A policy matches no route.
    """

    def __init__(self, policies: Mapping[str, RateLimit | None], routes: Sequence[BaseRoute]) -> None:
        self._policies = policies
        self._default = self._policy(_EVERYTHING)
        self._wild: list[_Entry] = []
        self._by_segment: dict[str, list[_Entry]] = {}
        found = list(places(routes))
        self._check(found)
        for place in found:
            self._add(place)
        # Where all routes that may match have the policy of those that do not, there is nothing to look for.
        self._alike = {segment for segment, entries in self._by_segment.items() if self._is_alike(entries)}
        self._wild_alike = self._is_alike(self._wild)

    def find(self, scope: Scope) -> Policy | None:
        """The policy of a request; `None` where there is none."""
        path = path_below(scope["path"], scope.get("root_path", ""))
        segment = _segment(path)
        entries = self._by_segment.get(segment)
        if self._wild_alike if entries is None else segment in self._alike:
            return self._default
        return self._route(self._wild if entries is None else entries, path, scope.get("method"))

    def of(self, method: str | None, template: str) -> Policy | None:
        """The policy for a route."""
        for key in (f"{method} {template}", template, *_prefixes(template), _EVERYTHING):
            if key in self._policies:
                return self._policy(key)
        return None

    def _policy(self, key: str) -> Policy | None:
        return Policy(key, self._policies[key]) if key in self._policies else None

    def _route(self, entries: "list[_Entry]", path: str, method: str | None) -> Policy | None:
        partial: _Entry | None = None
        for entry in entries:
            if entry.place.holds(path):
                if entry.place.methods is None or method is None or method in entry.place.methods:
                    return entry.policies.get(method or "", entry.policies[""])
                partial = partial or entry
        return self._default if partial is None else partial.policies[""]

    def _is_alike(self, entries: "list[_Entry]") -> bool:
        return all(policy == self._default for entry in entries for policy in entry.policies.values())

    def _add(self, place: Place) -> None:
        methods = ["", *(place.methods or ())]
        entry = _Entry(place, {method: self.of(method, place.template) for method in methods})
        segment = _segment(place.template)
        if "{" in segment:
            self._wild.append(entry)
            for entries in self._by_segment.values():
                entries.append(entry)
        else:
            self._by_segment.setdefault(segment, list(self._wild)).append(entry)

    def _check(self, found: list[Place]) -> None:
        templates = {place.template for place in found}
        named = templates | {f"{method} {place.template}" for place in found for method in place.methods or ()}
        for key in self._policies:
            if key == _EVERYTHING or key in named:
                continue
            if key.endswith(_UNDER) and any(_is_under(template, key) for template in templates):
                continue
            alike = get_close_matches(key, sorted(named), n=3)
            hint = f"did you mean {' or '.join(map(repr, alike))}?" if alike else "the app has no route like it"
            raise UnmatchedLimitError(
                f"The limit for {key!r} matches no route: {hint} Write a full path template, with prefixes and the "
                "names of parameters, '/prefix/*' or '*'."
            )


class _Entry(NamedTuple):
    place: Place
    policies: dict[str, Policy | None]
    """By method; under no name for any other."""


def _segment(path: str) -> str:
    return path[1:].partition("/")[0]


def _prefixes(template: str) -> Iterator[str]:
    """`/a/b/*`, then `/a/*`, for `/a/b/c`, and for `/a/b` itself."""
    while template:
        yield template + _UNDER
        template = template.rpartition("/")[0]
    yield _UNDER


def _is_under(template: str, key: str) -> bool:
    prefix = key.removesuffix(_UNDER)
    return template == prefix or template.startswith(prefix + "/")
