"""The dependencies that say who makes a request, and whether they may.

Each is one object, made when it is declared: FastAPI sees a security scheme in it, so `/docs` shows the lock, and calls
it as an async function, so no thread is needed. What several of them find out is found out once for each request.
"""

from collections.abc import Collection
from inspect import Parameter, Signature
from typing import Annotated, Any, Generic, NamedTuple, TypeVar, cast

from fastapi import Security
from fastapi.requests import HTTPConnection
from fastapi.security.base import SecurityBase

from fastapi_kit.auth._authentication import Authentication, Authenticator
from fastapi_kit.auth._challenges import inactive, insufficient_scope, not_fresh, unauthenticated
from fastapi_kit.auth._parts import Parts
from fastapi_kit.auth._users import UserRecord

U = TypeVar("U")

_CONNECTION = Parameter("connection", Parameter.POSITIONAL_OR_KEYWORD, annotation=HTTPConnection)


class Scheme(SecurityBase):
    """Shows one of the ways in `/docs`, and does nothing in a request.

    Args:
        model: The scheme, as OpenAPI describes it.
        name: Its name there.
    """

    def __init__(self, model: Any, name: str) -> None:
        self.model = model
        self.scheme_name = name

    async def __call__(self) -> None:
        """Nothing: what came with the request is looked at once, by whoever needs it."""


class CurrentUser(SecurityBase, Generic[U]):
    """A dependency that gives the user who makes the request; made by `Auth.current_user`."""

    def __init__(
        self,
        parts: Parts,
        authenticator: Authenticator,
        schemes: Collection[Scheme],
        *,
        active: bool,
        optional: bool,
    ) -> None:
        first, *others = schemes
        self.model = first.model
        self.scheme_name = first.scheme_name
        self._authenticator = authenticator
        self._inactive_status = parts.options.inactive_status
        self._active = active
        self._optional = optional
        self.__signature__ = Signature([_CONNECTION, *_declared(others)])

    async def __call__(self, connection: HTTPConnection, **_: None) -> U | None:
        """The user.

        Raises:
            UnauthorizedError: Nobody has said who they are, unless that is optional, or what came is not valid.
            Problem: The user is inactive, with the status of `AuthOptions.inactive_status`.
        """
        found = await self._authenticator.of(connection)
        if found is None:
            if self._optional:
                return None
            raise unauthenticated()
        if self._active and not found.user.is_active:
            raise inactive(self._inactive_status)
        user: U = found.user
        return user


class Needed(NamedTuple):
    """What somebody needs to be let in: all of the scopes, one of the roles, a login so many seconds ago at most."""

    scopes: frozenset[str]
    roles: frozenset[str]
    fresh: int | None


class Required(Generic[U]):
    """A dependency that lets in who may do something, and gives the user; made by `Auth.require`."""

    def __init__(
        self,
        parts: Parts,
        authenticator: Authenticator,
        current: CurrentUser[U],
        needed: Needed,
    ) -> None:
        self._parts = parts
        self._authenticator = authenticator
        self._scopes, self._roles, self._fresh = needed
        user = Annotated[Any, Security(current, scopes=sorted(needed.scopes))]
        by_user = Parameter("user", Parameter.KEYWORD_ONLY, annotation=user)
        self.__signature__ = Signature([_CONNECTION, by_user])

    async def __call__(self, connection: HTTPConnection, *, user: U) -> U:
        """The user, who may.

        Raises:
            ForbiddenError: A scope is missing, or the role; it says which scopes are needed.
            UnauthorizedError: The password was given too long ago.
        """
        found = await self._authenticator.of(connection)
        record = cast("UserRecord", user)
        owned = self._parts.permissions.of(record)
        # Nothing is found where a test has overridden the dependency `user`: that user's roles count all the same.
        if not self._scopes <= (owned if found is None else owned & set(found.scopes)):
            raise insufficient_scope(self._scopes)
        if self._roles and self._roles.isdisjoint(record.roles):
            raise insufficient_scope()
        if self._fresh is not None and found is not None and not self._is_fresh(found, self._fresh):
            raise not_fresh(self._fresh)
        return user

    def _is_fresh(self, found: Authentication[Any], seconds: int) -> bool:
        given = found.authenticated_at
        return given is not None and self._parts.clock.now().timestamp() - given <= seconds


def _declared(schemes: Collection[Scheme]) -> list[Parameter]:
    return [
        Parameter(f"scheme_{number}", Parameter.KEYWORD_ONLY, annotation=Annotated[Any, Security(scheme)])
        for number, scheme in enumerate(schemes)
    ]
