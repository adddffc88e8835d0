"""What all flows work with."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from fastapi_kit._clock import Clock
from fastapi_kit.auth._api_keys import APIKeyStore
from fastapi_kit.auth._audit import Audit, AuditEvent, AuditKind
from fastapi_kit.auth._challenges import TooManyAttemptsError
from fastapi_kit.auth._codec import Codec
from fastapi_kit.auth._mail import MailCallback
from fastapi_kit.auth._options import AuthOptions
from fastapi_kit.auth._passwords import PasswordHasher
from fastapi_kit.auth._permissions import Permissions
from fastapi_kit.auth._policy import PasswordPolicy
from fastapi_kit.auth._sessions import TokenStore
from fastapi_kit.auth._throttle import Backoff, Throttle
from fastapi_kit.auth._users import UserStore

_OF_ACCOUNT = Backoff(free=5)
_OF_ADDRESS = Backoff(free=30, longest=900)


class Client(NamedTuple):
    """Where a request comes from."""

    address: str | None = None
    user_agent: str | None = None


@dataclass(frozen=True, slots=True)
class Parts:
    """The parts of an `Auth`, as its flows use them."""

    codec: Codec
    users: UserStore[Any]
    tokens: TokenStore
    api_keys: APIKeyStore | None
    hasher: PasswordHasher
    policy: PasswordPolicy
    permissions: Permissions
    options: AuthOptions
    throttle: Throttle
    mail: MailCallback | None
    audit: Audit

    @property
    def clock(self) -> Clock:
        """The codec's, so that tokens and sessions live by one clock."""
        return self.codec.clock

    def now(self) -> datetime:
        """The present, in whole seconds, as tokens have it."""
        return self.clock.now().replace(microsecond=0)

    async def tell(
        self,
        kind: AuditKind,
        client: Client,
        *,
        user_id: str | None = None,
        email: str | None = None,
        session_id: str | None = None,
    ) -> None:
        """Tell of an event."""
        await self.audit.tell(AuditEvent(kind, self.clock.now(), user_id, email, session_id, client.address))

    async def throttled(self, what: str, account: str, client: Client) -> None:
        """Count an attempt on an account, from an address.

        Raises:
            TooManyAttemptsError: There were too many.
        """
        wait = await self.throttle.attempt(f"{what}:address:{client.address}", _OF_ADDRESS)
        if not wait:
            wait = await self.throttle.attempt(f"{what}:account:{account}", _OF_ACCOUNT)
        if wait:
            await self.tell("throttled", client, email=account)
            raise TooManyAttemptsError(wait)

    async def forgive(self, what: str, account: str) -> None:
        """Forget the attempts on an account: one has succeeded."""
        await self.throttle.forgive(f"{what}:account:{account}")
