"""The routes of accounts: registration, mails, passwords, the second factor, API keys."""

from dataclasses import asdict
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, BackgroundTasks, Depends, Path, Request, Response

from fastapi_kit.auth._api_keys import APIKey
from fastapi_kit.auth._challenges import TooManyAttemptsError
from fastapi_kit.auth._router import client_of
from fastapi_kit.auth._schemas import (
    Accepted,
    APIKeyCreate,
    APIKeyCreated,
    APIKeyRead,
    EmailOnly,
    PasswordChange,
    PasswordReset,
    TokenOnly,
    TotpCode,
    TotpConfirmation,
    TotpSetup,
    values_of,
)
from fastapi_kit.auth._totp import new_totp_secret, totp_uri
from fastapi_kit.errors import (
    BadRequestError,
    ConflictError,
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

KeyId = Annotated[str, Path(min_length=16, max_length=16, pattern=r"^[0-9a-f]{16}$")]
_THROTTLED = raises(TooManyAttemptsError)
_SIGNED_IN = raises(UnauthorizedError, ForbiddenError)


def account_router(auth: "Auth[Any]") -> APIRouter:
    """The routes that there are for what an `Auth` was given."""
    router = APIRouter(
        tags=["auth"],
        dependencies=[Depends(no_store)],
        responses=raises(BadRequestError, ValidationProblem, ServiceUnavailableError),
    )
    if auth.parts.options.registration:
        _add_registration(router, auth)
    if auth.parts.mail is not None:
        _add_mails(router, auth)
    _add_passwords(router, auth)
    _add_totp(router, auth)
    if auth.parts.api_keys is not None:
        _add_api_keys(router, auth)
    return router


def _add_registration(router: APIRouter, auth: "Auth[Any]") -> None:
    create, read = auth.parts.options.create, auth.parts.options.read

    async def register(given: Any, request: Request, later: BackgroundTasks) -> Any:
        """Make an account."""
        client = client_of(request)
        user = await auth.accounts.register(given.email, given.password, values_of(given), client, later.add_task)
        return Accepted() if user is None else read.model_validate(user, from_attributes=True)

    register.__annotations__["given"] = create
    told_by_mail = auth.parts.mail is not None
    router.add_api_route(
        "/register",
        register,
        methods=["POST"],
        status_code=202 if told_by_mail else 201,
        response_model=Accepted if told_by_mail else read,
        responses={**_THROTTLED, **({} if told_by_mail else raises(ConflictError))},
        summary="Register",
        name="auth_register",
    )


def _add_mails(router: APIRouter, auth: "Auth[Any]") -> None:
    refused = raises(BadRequestError)

    @router.post(
        "/verify/request", status_code=202, summary="Mail a verification", responses=_THROTTLED, name="auth_ask_verify"
    )
    async def ask_verification(given: EmailOnly, request: Request, later: BackgroundTasks) -> Accepted:
        """Mail a link that verifies the address, if it has an account that needs it."""
        await auth.accounts.request_verification(given.email, client_of(request), later.add_task)
        return Accepted()

    @router.post("/verify", status_code=204, summary="Verify", responses=refused, name="auth_verify")
    async def verify(given: TokenOnly, request: Request) -> None:
        """Verify an address by the token in its mail."""
        await auth.accounts.verify(given.token, client_of(request))

    @router.post("/forgot", status_code=202, summary="Mail a reset", responses=_THROTTLED, name="auth_forgot")
    async def forgot(given: EmailOnly, request: Request, later: BackgroundTasks) -> Accepted:
        """Mail a link that resets the password, if the address has an account."""
        await auth.accounts.request_reset(given.email, client_of(request), later.add_task)
        return Accepted()

    @router.post("/reset", status_code=204, summary="Reset the password", responses=refused, name="auth_reset")
    async def reset(given: PasswordReset, request: Request) -> None:
        """Set a password by the token in a mail; all sessions end."""
        await auth.accounts.reset(given.token, given.password, client_of(request))


def _add_passwords(router: APIRouter, auth: "Auth[Any]") -> None:
    user_of = Depends(auth.current_user())

    @router.post(
        "/password",
        status_code=204,
        summary="Change the password",
        responses={**_SIGNED_IN, **raises(BadRequestError, ConflictError, TooManyAttemptsError)},
        name="auth_password",
    )
    async def change(given: PasswordChange, request: Request, user: Annotated[Any, user_of]) -> None:
        """Change the password; all other sessions end."""
        found = await auth.authentication(request)
        await auth.accounts.change_password(
            user, given.current_password, given.new_password, client_of(request), session_id=found.session_id
        )


def _add_totp(router: APIRouter, auth: "Auth[Any]") -> None:
    fresh_user = Depends(auth.require(fresh=auth.parts.options.fresh_for))
    user_of = Depends(auth.current_user())
    refused = {**_SIGNED_IN, **raises(BadRequestError, ConflictError, TooManyAttemptsError)}

    @router.get("/totp", summary="Prepare a second factor", responses=_SIGNED_IN, name="auth_totp_setup")
    async def setup(user: Annotated[Any, user_of]) -> TotpSetup:
        """Give a new secret for an authenticator app; it counts once a code has confirmed it."""
        secret = new_totp_secret()
        return TotpSetup(secret=secret, uri=totp_uri(secret, account=user.email, issuer=auth.parts.options.name))

    @router.put("/totp", status_code=204, summary="Set the second factor", responses=refused, name="auth_totp")
    async def enable(given: TotpConfirmation, request: Request, user: Annotated[Any, fresh_user]) -> None:
        """Ask for a code at each login from now on; needs a recent login."""
        await auth.accounts.enable_totp(user, given.secret, given.code, client_of(request))

    @router.post(
        "/totp/remove", status_code=204, summary="Remove the second factor", responses=refused, name="auth_totp_remove"
    )
    async def disable(given: TotpCode, request: Request, user: Annotated[Any, fresh_user]) -> None:
        """Ask for no code any more; needs a recent login and a last code."""
        await auth.accounts.disable_totp(user, given.code, client_of(request))


def _add_api_keys(router: APIRouter, auth: "Auth[Any]") -> None:
    fresh_user = Depends(auth.require(fresh=auth.parts.options.fresh_for))
    user_of = Depends(auth.current_user())
    store = auth.parts.api_keys
    assert store is not None  # noqa: S101 - that is when these routes are added

    @router.post("/api-keys", status_code=201, summary="Make an API key", responses=_SIGNED_IN, name="auth_new_api_key")
    async def create(given: APIKeyCreate, request: Request, user: Annotated[Any, fresh_user]) -> APIKeyCreated:
        """Give a key that is shown this once; needs a recent login."""
        lasts = None if given.expires_in_days is None else timedelta(days=given.expires_in_days)
        made, key = await auth.accounts.create_api_key(user, given.name, given.scopes, lasts, client_of(request))
        return APIKeyCreated(**_shown(made), key=key)

    @router.get("/api-keys", summary="My API keys", responses=_SIGNED_IN, name="auth_api_keys")
    async def show(user: Annotated[Any, user_of]) -> list[APIKeyRead]:
        """Give what is known of the keys; not the keys."""
        return [APIKeyRead(**_shown(key)) for key in await store.of_user(str(user.id))]

    @router.delete(
        "/api-keys/{key_id}",
        status_code=204,
        summary="Revoke an API key",
        responses={**_SIGNED_IN, **raises(NotFoundError)},
        name="auth_revoke_api_key",
    )
    async def revoke(key_id: KeyId, request: Request, response: Response, user: Annotated[Any, user_of]) -> None:  # noqa: ARG001
        """End a key, at once."""
        if not await store.remove(key_id, user_id=str(user.id)):
            raise NotFoundError("There is no such key.")
        await auth.parts.tell("api_key_revoked", client_of(request), user_id=str(user.id))


def _shown(key: APIKey) -> dict[str, Any]:
    return {**asdict(key), "scopes": list(key.scopes), "prefix": f"key_{key.id}"}
