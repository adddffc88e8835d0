"""What an app decides about its accounts."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

from pydantic import BaseModel

from fastapi_kit.auth._schemas import UserCreate, UserRead


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthOptions:
    """How accounts and sessions behave.

    Args:
        prefix: Where the router is, without a slash at the end.
        access_lifetime: How long an access token is good; logout ends it earlier.
        session_lifetime: How long a session can be renewed, counted from the login.
        refresh_grace: How long a used refresh token is answered with another one, for clients that send it twice. Zero
            takes every second use for theft.
        fresh_for: How recent a login must be for changing the second factor and for API keys.
        verify_lifetime: How long a link that verifies an address is good.
        reset_lifetime: How long a link that resets a password is good.
        purge_every: How often each process has the store of sessions forget what is over.
        registration: Whether everybody may make an account.
        verified_only: Whether an address must be verified before the first login.
        default_roles: The roles of who registers.
        inactive_status: What an inactive user is answered.
        name: What authenticator apps call the service.
        create: What is given at registration; a subclass of `UserCreate` may ask for more columns of the model.
        read: What is shown of a user.
    """

    prefix: str = "/auth"
    access_lifetime: timedelta = timedelta(minutes=15)
    session_lifetime: timedelta = timedelta(days=30)
    refresh_grace: timedelta = timedelta(0)
    fresh_for: timedelta = timedelta(minutes=10)
    verify_lifetime: timedelta = timedelta(days=1)
    reset_lifetime: timedelta = timedelta(hours=1)
    purge_every: timedelta = timedelta(hours=1)
    registration: bool = True
    verified_only: bool = False
    default_roles: tuple[str, ...] = ()
    inactive_status: Literal[400, 403] = 403
    name: str = "fastapi-kit"
    create: type[UserCreate] = UserCreate
    read: type[BaseModel] = UserRead
