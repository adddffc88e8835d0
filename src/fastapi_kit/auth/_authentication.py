"""From what came with a request to who makes it."""

from dataclasses import dataclass
from typing import Any, Generic, Literal, TypeVar

from fastapi.requests import HTTPConnection
from structlog.contextvars import bind_contextvars

from fastapi_kit._asgi import header
from fastapi_kit._principal import set_principal
from fastapi_kit.auth._api_keys import api_key_id
from fastapi_kit.auth._challenges import forged, invalid_token
from fastapi_kit.auth._claims import Claims
from fastapi_kit.auth._cookies import Cookies, is_our_page
from fastapi_kit.auth._errors import InvalidTokenError
from fastapi_kit.auth._parts import Parts
from fastapi_kit.auth._sessions import TokenReference

U = TypeVar("U")

Method = Literal["bearer", "cookie", "api_key"]

API_KEY_HEADER = "X-API-Key"
_API_KEY = API_KEY_HEADER.lower().encode()
_BEARER = "bearer "


@dataclass(frozen=True, slots=True)
class Authentication(Generic[U]):
    """Who makes a request, and on what grounds.

    Attributes:
        user: The user.
        scopes: What the token or key was given; what the user's roles have lost since counts no more.
        method: What came with the request.
        session_id: The session that it belongs to, if any.
        authenticated_at: When the password was given, in seconds since 1970; `None` where none was, as with API keys.
    """

    user: U
    scopes: tuple[str, ...]
    method: Method
    session_id: str | None = None
    authenticated_at: int | None = None


class Authenticator:
    """Finds out who makes requests; once for each request.

    `Authorization: Bearer`, a cookie and an API key are looked at in this order, and the first that is there decides:
    one that is no good is never made up for by another.

    Args:
        parts: The parts to ask.
        cookies: The cookies, if any are looked at.
    """

    def __init__(self, parts: Parts, cookies: Cookies | None) -> None:
        self._parts = parts
        self._cookies = cookies
        self._key = f"fastapi_kit.auth.{id(self):x}"

    async def of(self, connection: HTTPConnection) -> Authentication[Any] | None:
        """Who makes this request; `None` if it came without credentials.

        Raises:
            UnauthorizedError: The credentials are not valid.
            ForbiddenError: A cookie came without the CSRF token.
            ServiceUnavailableError: A store cannot be reached.
        """
        scope = connection.scope
        if self._key in scope:
            known: Authentication[Any] | None = scope[self._key]
            return known
        found = await self._find(connection)
        scope[self._key] = found
        if found is not None:
            set_principal(connection, found.user)
            bind_contextvars(user_id=str(found.user.id))
        return found

    async def _find(self, connection: HTTPConnection) -> Authentication[Any] | None:
        given = header(connection.scope["headers"], b"authorization")
        if given is not None:
            text = given.decode("latin-1")
            if text[:7].lower() == _BEARER:
                return await self._by_token(connection, text[7:].strip(" "), "bearer")
            if text.lower() == "bearer":
                raise invalid_token()
        if self._cookies is not None and (token := self._cookies.access_token(connection)) is not None:
            return await self._by_token(connection, token, "cookie")
        if self._parts.api_keys is not None and (key := header(connection.scope["headers"], _API_KEY)) is not None:
            return await self._by_key(connection, key.decode("latin-1"))
        if given is not None:
            raise invalid_token()
        return None

    async def _by_token(self, connection: HTTPConnection, token: str, method: Method) -> Authentication[Any]:
        parts = self._parts
        try:
            claims = parts.codec.decode(token)
        except InvalidTokenError as error:
            raise invalid_token() from error
        if method == "cookie" and not is_our_page(connection, claims.extra.get("csrf")):
            raise forged()
        session_id = _session_id(claims)
        reference = TokenReference(claims.jti, claims.sub, claims.iat, session_id)
        if not await parts.tokens.admits(reference, now=parts.clock.now()):
            raise invalid_token()
        user = await parts.users.get(claims.sub, scope=connection.scope)
        if user is None:
            raise invalid_token()
        return Authentication(user, claims.scope, method, session_id, claims.auth_time)

    async def _by_key(self, connection: HTTPConnection, key: str) -> Authentication[Any]:
        parts = self._parts
        key_id = api_key_id(key)
        found = None if parts.api_keys is None or key_id is None else await parts.api_keys.find(key_id)
        if found is None or not found.is_good(key, parts.clock.now()):
            raise invalid_token()
        user = await parts.users.get(found.user_id, scope=connection.scope)
        if user is None:
            raise invalid_token()
        return Authentication(user, found.scopes, "api_key")


def _session_id(claims: Claims) -> str | None:
    found = claims.extra.get("sid")
    if found is not None and not isinstance(found, str):
        raise invalid_token()
    return found
