"""`Auth`: one object that knows how an app's users come in, with its routes and its dependencies."""

from collections.abc import AsyncGenerator, Collection, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any, Generic, Literal, TypeVar

from fastapi import APIRouter
from fastapi.openapi.models import APIKey, HTTPBearer, OAuth2, OAuthFlowPassword, OAuthFlows
from fastapi.requests import HTTPConnection
from starlette.applications import Starlette

from fastapi_kit.auth._account_router import account_router
from fastapi_kit.auth._accounts import Accounts
from fastapi_kit.auth._api_keys import APIKeyStore
from fastapi_kit.auth._audit import Audit, AuditCallback
from fastapi_kit.auth._authentication import API_KEY_HEADER, Authentication, Authenticator
from fastapi_kit.auth._challenges import unauthenticated
from fastapi_kit.auth._codec import Codec
from fastapi_kit.auth._cookies import Cookies
from fastapi_kit.auth._current import STATE
from fastapi_kit.auth._dependencies import CurrentUser, Needed, Required, Scheme
from fastapi_kit.auth._housekeeping import kept_clean
from fastapi_kit.auth._keys import Key, KeyRing
from fastapi_kit.auth._logins import Logins
from fastapi_kit.auth._mail import MailCallback
from fastapi_kit.auth._options import AuthOptions
from fastapi_kit.auth._parts import Parts
from fastapi_kit.auth._passwords import PasswordHasher
from fastapi_kit.auth._permissions import Permissions
from fastapi_kit.auth._policy import PasswordPolicy
from fastapi_kit.auth._router import keys_router, session_router
from fastapi_kit.auth._sessions import TokenStore
from fastapi_kit.auth._throttle import MemoryThrottle, Throttle
from fastapi_kit.auth._users import UserStore
from fastapi_kit.auth._workers import check_workers, told_workers

U = TypeVar("U")

SchemeName = Literal["oauth2", "bearer"]


class Auth(Generic[U]):
    """How the users of an app come in.

        auth = Auth(Key.hmac(secret), users=SQLUserStore(database, User), tokens=SQLTokenStore(database, tables))
        app.include_router(auth.router())

        @app.get("/mine")
        async def mine(user: Annotated[User, Depends(auth.current_user())]) -> ...

    Args:
        codec: What makes and reads access tokens, or the keys for one.
        users: Where users are.
        tokens: Where sessions are.
        hasher: What hashes passwords.
        policy: Which new passwords are accepted.
        permissions: Which scopes and roles there are.
        options: How accounts and sessions behave.
        api_keys: Where API keys are; without it there are none.
        cookies: How browsers hold tokens; without it they come in headers alone.
        throttle: What slows down guessing; by default in this process.
        mail: Sends mails; without it there is no verification and no reset, and registration tells if an address is
            taken.
        audit: Hears of each event.
        scheme: How `/docs` shows the bearer token: as OAuth2, with a form for user name and password, or as a plain
            field for a token.
    """

    def __init__(  # noqa: PLR0913 - the parts, each by its name
        self,
        codec: Codec | KeyRing | Key,
        *,
        users: UserStore[U],
        tokens: TokenStore,
        hasher: PasswordHasher | None = None,
        policy: PasswordPolicy | None = None,
        permissions: Permissions | None = None,
        options: AuthOptions | None = None,
        api_keys: APIKeyStore | None = None,
        cookies: Cookies | None = None,
        throttle: Throttle | None = None,
        mail: MailCallback | None = None,
        audit: AuditCallback | None = None,
        scheme: SchemeName = "oauth2",
    ) -> None:
        codec = codec if isinstance(codec, Codec) else Codec(codec)
        self.parts: Parts = Parts(
            codec=codec,
            users=users,
            tokens=tokens,
            api_keys=api_keys,
            hasher=hasher or PasswordHasher(),
            policy=policy or PasswordPolicy(),
            permissions=permissions or Permissions(),
            options=options or AuthOptions(),
            throttle=throttle or MemoryThrottle(clock=codec.clock),
            mail=mail,
            audit=Audit(audit),
        )
        self.cookies = cookies
        self.logins = Logins(self.parts)
        self.accounts = Accounts(self.parts, self.logins)
        self._authenticator = Authenticator(self.parts, cookies)
        self._schemes = _schemes(self.parts, cookies, scheme)
        self._current: dict[tuple[bool, bool], CurrentUser[U]] = {}

    def router(self) -> APIRouter:
        """The routes, below `AuthOptions.prefix`; there are those for which the parts were given."""
        router = APIRouter(prefix=self.parts.options.prefix)
        for part in (session_router(self), account_router(self), keys_router(self)):
            router.include_router(part)
        return router

    def current_user(self, *, active: bool = True, optional: bool = False) -> CurrentUser[U]:
        """The dependency that gives the user: `user: Annotated[User, Depends(auth.current_user())]`.

        It is the same object for the same arguments, so a test may override it.

        Args:
            active: Refuse inactive users, with `AuthOptions.inactive_status`.
            optional: Give `None` to whoever comes without credentials. Those that are not valid are refused all the
                same.
        """
        if (active, optional) not in self._current:
            self._current[active, optional] = CurrentUser(
                self.parts, self._authenticator, self._schemes, active=active, optional=optional
            )
        return self._current[active, optional]

    def require(
        self,
        *needed: str,
        scopes: Collection[str] = (),
        roles: Collection[str] = (),
        fresh: timedelta | None = None,
    ) -> Required[U]:
        """The dependency that lets in active users who may, and gives the user.

            @app.delete("/books/{id}", dependencies=[Depends(auth.require("books:write"))])

        Args:
            needed: Scopes that the token must have, all of them, and the user's roles still give.
            scopes: The same, as a collection.
            roles: Roles of which the user must have one.
            fresh: How recently the password must have been given; else the answer is a 401 that says so (RFC 9470).

        Raises:
            ValueError: A scope or a role is not declared in `Permissions`.
        """
        wanted = frozenset(needed) | frozenset(scopes)
        permissions = self.parts.permissions
        if unknown := sorted(wanted - permissions.scopes.keys()):
            raise ValueError(f"{', '.join(unknown)}: not declared in Permissions(scopes=...), so that nobody has it")
        all_of_it = Needed(
            scopes=wanted,
            roles=frozenset([roles] if isinstance(roles, str) else roles),
            fresh=None if fresh is None else int(fresh.total_seconds()),
        )
        return Required(self.parts, self._authenticator, self.current_user(), all_of_it)

    async def authentication(self, connection: HTTPConnection) -> Authentication[U]:
        """On what grounds somebody makes this request, such as in which session.

        Raises:
            UnauthorizedError: Nobody has said who they are, or what came is not valid.
        """
        found = await self._authenticator.of(connection)
        if found is None:
            raise unauthenticated()
        return found

    def check_workers(self, workers: int) -> None:
        """See that so many processes can serve the app; `create_app` and the lifespan ask.

        Raises:
            UnsharedStoreError: A store is one process's own; the message names the cure.
        """
        keys = self.parts.api_keys
        check_workers(workers, self.parts.users.shared, self.parts.tokens.shared, keys is None or keys.shared)

    @asynccontextmanager
    async def lifespan(self, _app: Starlette) -> AsyncGenerator[Mapping[str, Any]]:
        """The lifespan resource.

        It is for `get_current_user`, has the deadline measured before the first login, and purges what is over.

        Raises:
            UnsharedStoreError: The server's command line asks for several workers, and a store is one process's own.
        """
        self.check_workers(told_workers())
        await self.parts.hasher.calibrate()
        async with kept_clean(self.parts.tokens, self.parts.clock, self.parts.options.purge_every):
            yield {STATE: self}


def _schemes(parts: Parts, cookies: Cookies | None, scheme: SchemeName) -> list[Scheme]:
    made = [_oauth2(parts) if scheme == "oauth2" else Scheme(HTTPBearer(bearerFormat="JWT"), "Bearer")]
    if cookies is not None:
        made.append(_key_in("cookie", cookies.name("access"), "Cookie"))
    if parts.api_keys is not None:
        made.append(_key_in("header", API_KEY_HEADER, "APIKey"))
    return made


def _key_in(place: Literal["cookie", "header"], key: str, name: str) -> Scheme:
    return Scheme(APIKey.model_validate({"in": place, "name": key}), name)


def _oauth2(parts: Parts) -> Scheme:
    prefix = parts.options.prefix.lstrip("/")
    flow = OAuthFlowPassword(
        tokenUrl=f"{prefix}/token", refreshUrl=f"{prefix}/refresh", scopes=dict(parts.permissions.scopes)
    )
    return Scheme(OAuth2(flows=OAuthFlows(password=flow)), "OAuth2")
