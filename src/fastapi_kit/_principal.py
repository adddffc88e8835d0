"""Who makes a request: left in the scope by whatever authenticates, read by whatever decides by it.

The principal is an object of the app's own, such as its user model; the kit hands it on and never looks into it.
"""

from typing import Any

from starlette.requests import HTTPConnection
from starlette.types import Scope

_PRINCIPAL = "fastapi_kit.principal"


def set_principal(connection: HTTPConnection, principal: Any) -> None:
    """Say who makes this request; called by a dependency that has found it out.

    `None` stands for someone who is known to be nobody; not calling this at all, for a request that was not looked at.
    """
    connection.scope[_PRINCIPAL] = principal


def has_principal(scope: Scope) -> bool:
    """Whether somebody has said who makes this request."""
    return _PRINCIPAL in scope


def principal_of(scope: Scope) -> Any:
    """The principal of this request; `None` for nobody, and where nobody has looked."""
    return scope.get(_PRINCIPAL)
