"""Login sessions and what else tokens need a memory for, and where both are kept.

Theory of operation. A login opens a session. Access tokens name it (`sid`) and are good only while it lives, so its end
is theirs, in every process that asks the same store. It is kept up by refresh tokens; see `_rotation`.

Whether a session lives is a thing that is there, not a note that it is not: a store that has lost everything lets
nobody in.
"""

import secrets
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Literal, NamedTuple, Protocol, Self

from fastapi_kit.auth._rotation import RefreshDigest, RotationOutcome

SESSIONLESS = timedelta(days=90)
"""How long an access token without a session may be good; the end of all of a user's is remembered for so long."""


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


def new_session_id() -> str:
    """128 random bits."""
    return secrets.token_urlsafe(16)


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

    def outlives(self, end: float | None, now: datetime) -> bool:
        """Whether a token without a session holds.

        It came after the `end` of all of its user's, and is not so old that an end might be forgotten.
        """
        age = now.timestamp() - self.issued_at
        return age < SESSIONLESS.total_seconds() and (end is None or self.issued_at > end)


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

    async def open(self, session: LoginSession, first: RefreshDigest, /) -> None:
        """Begin a session with its first refresh token."""
        ...

    async def rotate(
        self, presented: RefreshDigest, successor: str, /, *, now: datetime, grace: timedelta = timedelta()
    ) -> Rotation:
        """Use a refresh token up and put another in its place, in one step.

        Of any number that present the same token at once, one has the outcome `rotated`.

        Args:
            presented: The token.
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
        """End all sessions of a user but `keep`; how many. Tokens up to now that belong to no session end as well."""
        ...

    async def revoke(self, token_id: str, /, *, now: datetime, until: datetime) -> None:
        """End one access token, whose own end is `until`."""
        ...

    async def admits(self, token: TokenReference, /, *, now: datetime) -> bool:
        """Whether an access token still holds: its session lives, or it `outlives`; and it was not revoked."""
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
        """Forget some of what is over, in a step that hinders nobody; how many things, and 0 if nothing is left."""
        ...
