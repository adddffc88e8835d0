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

from fastapi_kit._routes import Place
from fastapi_kit.ratelimit._limit import RateLimit
from fastapi_kit.ratelimit._table import RouteTable

_EVERYTHING = "*"
_UNDER = "/*"


class UnmatchedLimitError(RuntimeError):
    """A policy is for a route that the app does not have; the message names those that are alike."""


class Policy(NamedTuple):
    """A limit and what it is for."""

    key: str
    limit: RateLimit | None
    """`None` where there is none on purpose."""
    prefix: str
    """What the keys of its clients begin with."""


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
        self._found: dict[tuple[str | None, str], Policy | None] = {}
        self._table = RouteTable(routes) if policies.keys() - {_EVERYTHING} else None
        if self._table is not None:
            self._check(self._table.places)

    def find(self, scope: Scope) -> Policy | None:
        """The policy of a request; `None` where there is none."""
        if self._table is None:
            return self._default
        place = self._table.find(scope)
        if place is None:
            return self._default
        method = scope.get("method")
        key = (method if place.methods and method in place.methods else None, place.template)
        if key not in self._found:  # as many as there are routes
            self._found[key] = self.of(*key)
        return self._found[key]

    def of(self, method: str | None, template: str) -> Policy | None:
        """The policy for a route."""
        for key in (f"{method} {template}", template, *_prefixes(template), _EVERYTHING):
            if key in self._policies:
                return self._policy(key)
        return None

    def _policy(self, key: str) -> Policy | None:
        if key not in self._policies:
            return None
        limit = self._policies[key]
        return Policy(key, limit, limit.prefix(key) if limit else "")

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


def _prefixes(template: str) -> Iterator[str]:
    """`/a/b/*`, then `/a/*`, for `/a/b/c`, and for `/a/b` itself."""
    while template:
        yield template + _UNDER
        template = template.rpartition("/")[0]
    yield _UNDER


def _is_under(template: str, key: str) -> bool:
    prefix = key.removesuffix(_UNDER)
    return template == prefix or template.startswith(prefix + "/")
