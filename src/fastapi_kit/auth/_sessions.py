"""Login sessions and the opaque tokens that keep them up, and where both are kept.

Theory of operation. A login opens a session. Access tokens name it (`sid`) and are good only while it lives, so its end
is theirs, in every process that asks the same store. It is kept up by refresh tokens, each good for one use, which
brings its successor (RFC 9700, section 4.14.2). The store remembers the used ones as long as the session: when one
comes again, two parties hold it, nobody can tell which is the thief, and the session ends.

A refresh token is `<session id>.<256 random bits>`. Only its SHA-256 is kept: of so many random bits a plain hash
cannot be reversed, and whoever reads the store cannot use what is in it. A token that was never issued ends nothing,
although the session's id in it is no secret.

Whether a session lives is a thing that is there, not a note that it is not: a store that has lost everything lets
nobody in.
"""

import hashlib
import re
import secrets
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Literal, NamedTuple, Protocol, Self

_SECRET_BYTES = 32
_REFRESH_TOKEN = re.compile(r"(?P<session>[A-Za-z0-9_-]{22})\.[A-Za-z0-9_-]{43}")
_SECRET = re.compile(r"[A-Za-z0-9_-]{43}")


@dataclass(frozen=True, slots=True)
class LoginSession:
    """One login of one user on one device.

    Attributes:
        id: Random; the claim `sid` of its access tokens.
        user_id: Whose it is.
        scopes: What its tokens may be used for.
        authenticated_at: When the password was given, the claim `auth_time`.
        last_used_at: When its tokens were last renewed.
        expires_at: When it ends by itself; renewing does not put it off.
        address: Where the login came from, for the user to recognise it.
        user_agent: What the login came from.
    """

    id: str
    user_id: str
    scopes: tuple[str, ...]
    authenticated_at: datetime
    last_used_at: datetime
    expires_at: datetime
    address: str | None = None
    user_agent: str | None = None

    def used_at(self, now: datetime) -> Self:
        """The session once its tokens are renewed."""
        return replace(self, last_used_at=now)


class RefreshToken(NamedTuple):
    """A refresh token, as the client has it."""

    session_id: str
    text: str

    @property
    def digest(self) -> str:
        """What a store keeps of it."""
        return digest(self.text)

    @classmethod
    def new(cls, session_id: str) -> "RefreshToken":
        """One that nobody can guess."""
        return cls(session_id, f"{session_id}.{new_secret()}")

    @classmethod
    def parse(cls, text: str) -> "RefreshToken | None":
        """The token that a text is; `None` for what no token looks like."""
        found = _REFRESH_TOKEN.fullmatch(text)
        return cls(found["session"], text) if found else None


def new_session_id() -> str:
    """128 random bits."""
    return secrets.token_urlsafe(16)


def new_secret() -> str:
    """256 random bits, in 43 characters."""
    return secrets.token_urlsafe(_SECRET_BYTES)


def is_secret(text: str) -> bool:
    """Whether a text looks like what `new_secret` makes."""
    return _SECRET.fullmatch(text) is not None


def digest(secret: str) -> str:
    """SHA-256 in hexadecimal digits; of 256 random bits, for which no slow hash is needed."""
    return hashlib.sha256(secret.encode()).hexdigest()


RotationOutcome = Literal["rotated", "repeated", "reused", "unknown"]
"""What became of a refresh token: `rotated` is good; `repeated` was good a moment ago, within the grace; `reused` has
ended the session; `unknown` was never issued, or its session is over."""


class Rotation(NamedTuple):
    """The answer to a refresh token, with the session that it belongs to or belonged to."""

    outcome: RotationOutcome
    session: LoginSession | None = None


UNKNOWN = Rotation("unknown")


class TokenReference(NamedTuple):
    """What a store needs to know of an access token to say whether it still holds."""

    token_id: str
    """The claim `jti`."""
    user_id: str
    """The claim `sub`."""
    issued_at: float
    session_id: str | None = None
    """The claim `sid`; `None` for a token that belongs to no session."""


TicketPurpose = Literal["verify", "reset"]


class Ticket(NamedTuple):
    """What a secret in a mail stands for; good for one use."""

    purpose: TicketPurpose
    user_id: str
    binding: str
    """What must not have changed meanwhile, such as the address."""
    expires_at: datetime


class TokenStore(Protocol):
    """Where sessions and what belongs to tokens are kept. Every race is decided in the store.

    Raises:
        ServiceUnavailableError: From any method: the store cannot be reached, so that nobody is let in.
    """

    @property
    def shared(self) -> bool:
        """Whether all processes see the same."""
        ...

    async def open(self, session: LoginSession, refresh_digest: str, /) -> None:
        """Begin a session with its first refresh token."""
        ...

    async def rotate(
        self, session_id: str, presented: str, successor: str, /, *, now: datetime, grace: timedelta = timedelta()
    ) -> Rotation:
        """Use a refresh token up and put another in its place, in one step.

        Of any number that present the same token at once, one has the outcome `rotated`.

        Args:
            session_id: The session that the token names.
            presented: The digest of the token.
            successor: The digest of the one that the client gets now.
            now: The present.
            grace: How long a used token is answered with `repeated` and a successor, in place of `reused`.
        """
        ...

    async def sessions(self, user_id: str, /, *, now: datetime) -> list[LoginSession]:
        """The sessions of a user that have not ended, the one used last first."""
        ...

    async def close(self, session_id: str, /, *, user_id: str) -> bool:
        """End a session of this user; whether there was one."""
        ...

    async def close_all(self, user_id: str, /, *, now: datetime, keep: str | None = None) -> int:
        """End all sessions of a user but `keep`, and all tokens up to now that belong to no session; how many ended."""
        ...

    async def revoke(self, token_id: str, /, *, now: datetime, until: datetime) -> None:
        """End one access token, whose own end is `until`."""
        ...

    async def admits(self, token: TokenReference, /, *, now: datetime) -> bool:
        """Whether an access token still holds: its session lives, and neither it nor all of its time was revoked."""
        ...

    async def issue(self, secret_digest: str, ticket: Ticket, /, *, now: datetime) -> None:
        """Keep a ticket until it is redeemed or over."""
        ...

    async def redeem(self, purpose: TicketPurpose, secret_digest: str, /, *, now: datetime) -> Ticket | None:
        """Take a ticket out; of any number that try at once, one gets it."""
        ...

    async def claim(self, key: str, /, *, now: datetime, until: datetime) -> bool:
        """Whether this is the first claim of a key; it is remembered until `until`."""
        ...

    async def purge(self, *, now: datetime) -> int:
        """Forget what is over; how many things. Call it daily where the store does not do so by itself."""
        ...
