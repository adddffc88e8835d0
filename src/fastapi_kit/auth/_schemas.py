"""The bodies of the routes."""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, StringConstraints

from fastapi_kit.auth._users import EMAIL_PATTERN, LONGEST_EMAIL, normal_email
from fastapi_kit.schemas import Schema, line

_LONGEST_PASSWORD = 1_024


def _normal(text: str) -> str:
    normal = normal_email(text)
    if normal is None:
        raise ValueError("this is no e-mail address")
    return normal


def _text(value: object) -> object:
    return value if isinstance(value, str) else str(value)


Email = Annotated[
    str, StringConstraints(min_length=3, max_length=LONGEST_EMAIL, pattern=EMAIL_PATTERN), AfterValidator(_normal)
]
"""An address, written as the store has it."""

Password = Annotated[str, StringConstraints(min_length=1, max_length=_LONGEST_PASSWORD)]
"""What is typed as a password; whether a new one will do is asked of the policy."""

Secret = Annotated[str, StringConstraints(min_length=1, max_length=200)]
"""A token out of a mail."""

Code = Annotated[str, StringConstraints(pattern=r"^[0-9]{6}$")]
"""A one-time code."""

UserId = Annotated[str, BeforeValidator(_text, json_schema_input_type=str)]


class LoginForm(Schema, extra="ignore"):
    """The form of OAuth2's password grant (RFC 6749, section 4.3.2), with a field for the one-time code."""

    username: Annotated[str, StringConstraints(min_length=1, max_length=LONGEST_EMAIL)] = Field(
        description="The e-mail address."
    )
    password: Password = Field(json_schema_extra={"format": "password"})
    scope: Annotated[str, StringConstraints(max_length=2_000)] = Field("", description="Scopes, with spaces between.")
    otp: Code | None = Field(None, description="The code of the authenticator app, where there is a second factor.")
    grant_type: Literal["password"] | None = None


class RefreshForm(Schema, extra="ignore"):
    """The form of a renewal (RFC 6749, section 6); with cookies nothing has to be in it."""

    refresh_token: Annotated[str, StringConstraints(max_length=200)] | None = None
    grant_type: Literal["refresh_token"] | None = None


class Tokens(Schema):
    """An answer with tokens (RFC 6749, section 5.1)."""

    access_token: str
    token_type: Literal["bearer"] = "bearer"  # noqa: S105 - the type, not a token
    expires_in: int = Field(description="Seconds until the access token expires.")
    refresh_token: str
    scope: str = Field(description="What the access token allows, with spaces between.")


class CookieLogin(Schema):
    """A login whose tokens are put into cookies."""

    email: Email
    password: Password = Field(json_schema_extra={"format": "password"})
    otp: Code | None = None


class CookieSession(Schema):
    """What a page has to know; the tokens are in cookies that it cannot read."""

    csrf_token: str = Field(description="To be sent as `X-CSRF-Token` with what changes something.")
    expires_in: int = Field(description="Seconds until the session has to be renewed.")


class UserCreate(Schema):
    """What is given at registration."""

    email: Email
    password: Password = Field(json_schema_extra={"format": "password"})


class UserRead(Schema, extra="ignore"):
    """What is shown of a user."""

    id: UserId
    email: str
    is_active: bool
    is_verified: bool
    roles: list[str]


class EmailOnly(Schema):
    """Whom to mail to."""

    email: Email


class TokenOnly(Schema):
    """A token out of a mail."""

    token: Secret


class PasswordReset(TokenOnly):
    """A token out of a mail, and the new password."""

    password: Password = Field(json_schema_extra={"format": "password"})


class PasswordChange(Schema):
    """The present password, and the new one."""

    current_password: Password = Field(json_schema_extra={"format": "password"})
    new_password: Password = Field(json_schema_extra={"format": "password"})


class Accepted(Schema):
    """The same answer whether or not there is such an account."""

    detail: str = "If this can be done, a mail is on its way."


class SessionRead(Schema, extra="ignore"):
    """A session, as its user sees it."""

    id: str
    authenticated_at: datetime
    last_used_at: datetime
    expires_at: datetime
    address: str | None
    user_agent: str | None
    current: bool = Field(description="Whether this request belongs to it.")


class TotpSetup(Schema):
    """What an authenticator app is given."""

    secret: str
    uri: str = Field(description="What the QR code holds.")


class TotpConfirmation(Schema):
    """The secret that an authenticator app was given, and a code that proves it."""

    secret: Annotated[str, StringConstraints(pattern=r"^[A-Z2-7]{32}$")]
    code: Code


class TotpCode(Schema):
    """A code of the authenticator app."""

    code: Code


class APIKeyCreate(Schema):
    """What an API key is for."""

    name: Annotated[str, line(min_length=1, max_length=100)]
    scopes: Annotated[
        list[Annotated[str, StringConstraints(max_length=100)]], Field(default_factory=list[str], max_length=100)
    ]
    expires_in_days: Annotated[int, Field(ge=1, le=3_650, strict=True)] | None = 365


class APIKeyRead(Schema, extra="ignore"):
    """An API key, without its secret part."""

    id: str
    name: str
    prefix: str = Field(description="How the key begins.")
    scopes: list[str]
    created_at: datetime
    expires_at: datetime | None


class APIKeyCreated(APIKeyRead):
    """A new API key; it is shown this once."""

    key: str


def values_of(given: UserCreate) -> dict[str, Any]:
    """What a registration says besides address and password: columns of the app's own model."""
    return given.model_dump(exclude={"email", "password"})
