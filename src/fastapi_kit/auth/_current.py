"""The two dependencies that tutorials write by hand, for endpoints that do not see the app's `Auth`."""

from typing import TYPE_CHECKING, Annotated, Any

from fastapi import Depends, Security
from fastapi.openapi.models import HTTPBearer
from fastapi.requests import HTTPConnection

from fastapi_kit.auth._challenges import inactive
from fastapi_kit.auth._dependencies import Scheme

if TYPE_CHECKING:
    from fastapi_kit.auth._auth import Auth

STATE = "auth"
"""The key of the lifespan's state under which the app's `Auth` is."""

_bearer = Scheme(HTTPBearer(bearerFormat="JWT"), "Bearer")


class NoAuthError(RuntimeError):
    """The app's state holds no `Auth`."""


async def get_current_user(connection: HTTPConnection, _: Annotated[None, Security(_bearer)]) -> Any:
    """The user who makes the request, active or not; found by the `Auth` whose `lifespan` the app has.

    Raises:
        UnauthorizedError: Nobody has said who they are, or what came is not valid.
        NoAuthError: The app was started without `Auth.lifespan`.
    """
    return (await _auth_of(connection).authentication(connection)).user


async def get_current_active_user(connection: HTTPConnection, user: Annotated[Any, Depends(get_current_user)]) -> Any:
    """The user who makes the request.

    Raises:
        Problem: The user is inactive: a 403, or what `AuthOptions.inactive_status` says.
    """
    if not user.is_active:
        raise inactive(_auth_of(connection).parts.options.inactive_status)
    return user


def _auth_of(connection: HTTPConnection) -> "Auth[Any]":
    auth: Auth[Any] | None = connection.scope.get("state", {}).get(STATE)
    if auth is None:
        raise NoAuthError(
            "no Auth in the app's state: build the app with lifespan=compose(auth.lifespan), and run it with its "
            "lifespan; or use Depends(auth.current_user()), which needs neither"
        )
    return auth
