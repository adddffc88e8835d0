"""Users and sessions in this process: for development, tests and services of one worker.

No method waits, so each is one step for everything else in the event loop.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Generic, TypeVar

from starlette.types import Scope

from fastapi_kit.auth._rotation import RefreshDigest, use
from fastapi_kit.auth._sessions import (
    SESSIONLESS,
    UNKNOWN,
    LoginSession,
    Rotation,
    Ticket,
    TicketPurpose,
    TokenReference,
)
from fastapi_kit.auth._users import EmailTakenError, NewUser
from fastapi_kit.auth._workers import check_workers
from fastapi_kit.db import uuid7

T = TypeVar("T")

_PRUNED_FROM = 1_024
"""Entries from which a store looks for those that are over."""


@dataclass(frozen=True, slots=True)
class User:
    """A user of an app without a model of its own."""

    id: str
    email: str
    hashed_password: str | None = None
    is_active: bool = True
    is_verified: bool = False
    roles: tuple[str, ...] = ()
    totp_secret: str | None = None
    values: dict[str, Any] = field(default_factory=dict[str, Any])


class MemoryUserStore:
    """Users in this process, gone with it.

    Args:
        workers: How many processes serve the app.

    Raises:
        UnsharedStoreError: It is more than one.
    """

    shared = False

    def __init__(self, *, workers: int = 1) -> None:
        check_workers(workers, self.shared)
        self._users: dict[str, User] = {}
        self._ids: dict[str, str] = {}

    async def get(self, user_id: str, /, *, scope: Scope | None = None) -> User | None:  # noqa: ARG002 - has no connection
        """The user with this key."""
        return self._users.get(user_id)

    async def find(self, email: str, /) -> User | None:
        """The user with this address."""
        return self._users.get(self._ids.get(email, ""))

    async def add(self, user: NewUser, /) -> User:
        """Store a user; raises `EmailTakenError` if the address is taken."""
        if user.email in self._ids:
            raise EmailTakenError
        made = User(
            id=str(uuid7()),
            email=user.email,
            hashed_password=user.hashed_password,
            is_verified=user.is_verified,
            roles=user.roles,
            values=dict(user.values),
        )
        self._ids[made.email] = made.id
        return self.replace(made)

    def replace(self, user: User) -> User:
        """Store a user in the place of the one with the same key: `dataclasses.replace(ann, is_active=False)`."""
        self._users[user.id] = user
        return user

    async def set_password(self, user_id: str, hashed_password: str, /, *, replacing: str | None = None) -> bool:
        """Write a password's hash."""
        user = self._users.get(user_id)
        if user is None or replacing not in {None, user.hashed_password}:
            return False
        self.replace(replace(user, hashed_password=hashed_password))
        return True

    async def set_verified(self, user_id: str, email: str, /) -> bool:
        """Note that the address is theirs."""
        user = self._users.get(user_id)
        if user is None or user.email != email:
            return False
        self.replace(replace(user, is_verified=True))
        return True

    async def set_totp_secret(self, user_id: str, secret: str | None, /) -> bool:
        """Write or remove the secret of the second factor."""
        user = self._users.get(user_id)
        if user is not None:
            self.replace(replace(user, totp_secret=secret))
        return user is not None


class _Expiring(dict[str, T], Generic[T]):
    """What is forgotten some time after it is over: when there is twice as much as after the last look."""

    def __init__(self, end_of: Callable[[T], datetime]) -> None:
        super().__init__()
        self._end_of = end_of
        self._look_at = _PRUNED_FROM

    def put(self, key: str, value: T, now: datetime) -> None:
        if len(self) >= self._look_at:
            self.prune(now)
            self._look_at = max(_PRUNED_FROM, 2 * len(self))
        self[key] = value

    def prune(self, now: datetime) -> int:
        over = [key for key, value in self.items() if self._end_of(value) <= now]
        for key in over:
            del self[key]
        return len(over)


@dataclass(slots=True)
class _Family:
    """A session with its refresh tokens: when each was used, if it was."""

    session: LoginSession
    family: str
    tokens: dict[str, datetime | None]


class MemoryTokenStore:
    """Sessions in this process: all are logged out when it ends.

    Args:
        workers: How many processes serve the app.

    Raises:
        UnsharedStoreError: It is more than one.
    """

    shared = False

    def __init__(self, *, workers: int = 1) -> None:
        check_workers(workers, self.shared)
        self._families = _Expiring[_Family](lambda family: family.session.expires_at)
        self._tickets = _Expiring[Ticket](lambda ticket: ticket.expires_at)
        self._revoked = _Expiring[datetime](lambda until: until)
        self._claims = _Expiring[datetime](lambda until: until)
        self._ends = _Expiring[datetime](lambda end: end + SESSIONLESS)

    async def open(self, session: LoginSession, first: RefreshDigest, /) -> None:
        """Begin a session."""
        family = _Family(session, first.family, {first.token: None})
        self._families.put(session.id, family, session.authenticated_at)

    async def rotate(
        self, presented: RefreshDigest, successor: str, /, *, now: datetime, grace: timedelta = timedelta()
    ) -> Rotation:
        """Use a refresh token up."""
        family = self._families.get(presented.session_id)
        if family is None or family.session.expires_at <= now:
            return UNKNOWN
        outcome, kept = use(family.tokens, family.family, presented, now=now, grace=grace)
        if outcome == "unknown":
            return UNKNOWN
        if outcome == "reused":
            del self._families[presented.session_id]
            return Rotation(outcome, family.session)
        family.tokens = {**kept, successor: None}
        family.session = family.session.used_at(now)
        return Rotation(outcome, family.session)

    async def sessions(self, user_id: str, /, *, now: datetime) -> list[LoginSession]:
        """The sessions of a user."""
        found = [it.session for it in self._families.values() if it.session.user_id == user_id]
        living = (session for session in found if session.expires_at > now)
        return sorted(living, key=lambda session: session.last_used_at, reverse=True)

    async def close(self, session_id: str, /, *, user_id: str) -> bool:
        """End a session."""
        family = self._families.get(session_id)
        if family is None or family.session.user_id != user_id:
            return False
        del self._families[session_id]
        return True

    async def close_all(self, user_id: str, /, *, now: datetime, keep: str | None = None) -> int:
        """End all sessions of a user."""
        self._ends.put(user_id, now, now)
        ended = [key for key, it in self._families.items() if it.session.user_id == user_id and key != keep]
        for session_id in ended:
            del self._families[session_id]
        return len(ended)

    async def revoke(self, token_id: str, /, *, now: datetime, until: datetime) -> None:
        """End one access token."""
        self._revoked.put(token_id, until, now)

    async def admits(self, token: TokenReference, /, *, now: datetime) -> bool:
        """Whether an access token still holds."""
        if token.token_id in self._revoked:
            return False
        if token.session_id is None:
            end = self._ends.get(token.user_id)
            return token.outlives(None if end is None else end.timestamp(), now)
        family = self._families.get(token.session_id)
        return family is not None and family.session.expires_at > now

    async def issue(self, secret_digest: str, ticket: Ticket, /, *, now: datetime) -> None:
        """Keep a ticket."""
        self._tickets.put(ticket.purpose + secret_digest, ticket, now)

    async def redeem(self, purpose: TicketPurpose, secret_digest: str, /, *, now: datetime) -> Ticket | None:
        """Take a ticket out."""
        ticket = self._tickets.pop(purpose + secret_digest, None)
        return ticket if ticket is not None and ticket.expires_at > now else None

    async def claim(self, key: str, /, *, now: datetime, until: datetime) -> bool:
        """Whether this is the first claim of a key."""
        if self._claims.get(key, now) > now:
            return False
        self._claims.put(key, until, now)
        return True

    async def purge(self, *, now: datetime) -> int:
        """Forget what is over."""
        everything = (self._families, self._tickets, self._revoked, self._claims, self._ends)
        return sum(each.prune(now) for each in everything)
