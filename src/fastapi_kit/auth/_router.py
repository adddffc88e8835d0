"""The routes of sessions: login, renewal, logout, and who I am."""

from dataclasses import asdict
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Depends, Form, Path, Request, Response

from fastapi_kit.auth._challenges import TooManyAttemptsError, forged, invalid_grant
from fastapi_kit.auth._cookies import Held
from fastapi_kit.auth._logins import Credentials, Grant
from fastapi_kit.auth._parts import Client
from fastapi_kit.auth._schemas import (
    CookieLogin,
    CookieSession,
    LoginForm,
    RefreshForm,
    SessionRead,
    Tokens,
)
from fastapi_kit.errors import (
    BadRequestError,
    ForbiddenError,
    NotFoundError,
    ServiceUnavailableError,
    UnauthorizedError,
    ValidationProblem,
    raises,
)
from fastapi_kit.security import no_store

if TYPE_CHECKING:
    from fastapi_kit.auth._auth import Auth

SessionId = Annotated[str, Path(min_length=22, max_length=22, pattern=r"^[A-Za-z0-9_-]{22}$")]
_NO_STORE = {"Cache-Control": "no-store", "Pragma": "no-cache"}
"""RFC 6749, section 5.1."""


def session_router(auth: "Auth[Any]") -> APIRouter:
    """The routes that every `Auth` has."""
    router = APIRouter(
        tags=["auth"],
        dependencies=[Depends(no_store)],
        responses=raises(BadRequestError, UnauthorizedError, ValidationProblem, ServiceUnavailableError),
    )
    _add_tokens(router, auth)
    _add_sessions(router, auth)
    if auth.cookies is not None:
        _add_cookies(router, auth)
    return router


def client_of(request: Request) -> Client:
    """Where a request comes from, behind proxies if those are named (`TrustedProxiesMiddleware`)."""
    return Client(request.client.host if request.client else None, request.headers.get("user-agent"))


ClientDep = Annotated[Client, Depends(client_of)]


def _add_tokens(router: APIRouter, auth: "Auth[Any]") -> None:
    @router.post("/token", summary="Log in", responses=raises(TooManyAttemptsError), name="auth_token")
    async def token(form: Annotated[LoginForm, Form()], response: Response, request: Request) -> Tokens:
        """Give an access token and a refresh token for a user name and a password."""
        scopes = tuple(form.scope.split())
        grant = await auth.logins.login(Credentials(form.username, form.password, form.otp, scopes), client_of(request))
        response.headers.update(_NO_STORE)
        return _tokens(grant)

    @router.post("/refresh", summary="Renew", name="auth_refresh", **_renewal(auth))
    async def refresh(form: Annotated[RefreshForm, Form()], request: Request, response: Response) -> Any:
        """Give new tokens for a refresh token, which is thereby used up.

        A token that is used a second time ends the session. With cookies the answer is in cookies, too.
        """
        response.headers.update(_NO_STORE)
        if form.refresh_token is not None:
            return _tokens(await auth.logins.refresh(form.refresh_token, client_of(request)))
        cookies = auth.cookies
        held = None if cookies is None else cookies.refresh_token(request)
        if cookies is None or held is None:
            raise invalid_grant()
        if not cookies.is_echoed(request):
            raise forged()
        return _put(auth, await auth.logins.refresh(held, client_of(request)), response)


def _renewal(auth: "Auth[Any]") -> dict[str, Any]:
    if auth.cookies is None:
        return {"response_model": Tokens}
    return {"response_model": Tokens | CookieSession, "responses": raises(ForbiddenError)}


def _add_sessions(router: APIRouter, auth: "Auth[Any]") -> None:
    user_of = Depends(auth.current_user())
    forbidden = raises(ForbiddenError)

    @router.post("/logout", status_code=204, summary="Log out", responses=forbidden, name="auth_logout")
    async def logout(request: Request, response: Response, user: Annotated[Any, user_of]) -> None:
        """End this session, with all of its tokens, at once."""
        found = await auth.authentication(request)
        if found.session_id is not None:
            await auth.logins.logout(found.session_id, str(user.id), client_of(request))
        if auth.cookies is not None:
            auth.cookies.clear(response)

    @router.post(
        "/logout-all", status_code=204, summary="Log out everywhere", responses=forbidden, name="auth_logout_all"
    )
    async def logout_all(request: Request, response: Response, user: Annotated[Any, user_of]) -> None:
        """End all sessions, this one included."""
        await auth.logins.logout_all(str(user.id), client_of(request))
        if auth.cookies is not None:
            auth.cookies.clear(response)

    @router.get("/sessions", summary="Where am I logged in?", responses=forbidden, name="auth_sessions")
    async def sessions(request: Request, user: Annotated[Any, user_of]) -> list[SessionRead]:
        """Give the sessions, the one used last first."""
        current = (await auth.authentication(request)).session_id
        found = await auth.parts.tokens.sessions(str(user.id), now=auth.parts.now())
        return [SessionRead(**asdict(session), current=session.id == current) for session in found]

    @router.delete(
        "/sessions/{session_id}",
        status_code=204,
        summary="Log out there",
        responses=raises(ForbiddenError, NotFoundError),
        name="auth_close_session",
    )
    async def close(session_id: SessionId, request: Request, user: Annotated[Any, user_of]) -> None:
        """End one session."""
        if not await auth.logins.logout(session_id, str(user.id), client_of(request)):
            raise NotFoundError("There is no such session.")

    read = auth.parts.options.read

    @router.get("/me", response_model=read, summary="Who am I?", responses=forbidden, name="auth_me")
    async def me(user: Annotated[Any, user_of]) -> Any:
        """Give the user."""
        return read.model_validate(user, from_attributes=True)


def keys_router(auth: "Auth[Any]") -> APIRouter:
    """The public keys, which caches may keep."""
    router = APIRouter(tags=["auth"])

    @router.get("/jwks.json", summary="Public keys", name="auth_jwks")
    async def jwks(response: Response) -> dict[str, list[dict[str, str]]]:
        """Give the keys that others verify our tokens with (RFC 7517); none, if the keys are secrets."""
        response.headers["Cache-Control"] = "public, max-age=300"
        return auth.parts.codec.keys.jwks()

    return router


def _add_cookies(router: APIRouter, auth: "Auth[Any]") -> None:
    @router.post("/login", summary="Log in with cookies", responses=raises(TooManyAttemptsError), name="auth_login")
    async def login(given: CookieLogin, request: Request, response: Response) -> CookieSession:
        """Put the tokens into cookies that scripts cannot read."""
        response.headers.update(_NO_STORE)
        credentials = Credentials(given.email, given.password, given.otp)
        return _put(auth, await auth.logins.login(credentials, client_of(request)), response)


def _tokens(grant: Grant) -> Tokens:
    return Tokens(
        access_token=grant.access_token,
        expires_in=grant.expires_in,
        refresh_token=grant.refresh_token,
        scope=" ".join(grant.scopes),
    )


def _put(auth: "Auth[Any]", grant: Grant, response: Response) -> CookieSession:
    assert auth.cookies is not None  # noqa: S101 - only routes with cookies come here
    held = Held(
        access=grant.access_token,
        refresh=grant.refresh_token,
        csrf=grant.csrf_token,
        access_for=timedelta(seconds=grant.expires_in),
        session_for=grant.session.expires_at - auth.parts.now(),
    )
    auth.cookies.put(response, held)
    return CookieSession(csrf_token=grant.csrf_token, expires_in=grant.expires_in)
