"""Making an account, and what happens to it: verification, passwords, the second factor, API keys."""

import asyncio
import logging
import math
from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta
from typing import Any

from fastapi_kit.auth._api_keys import APIKey, new_api_key
from fastapi_kit.auth._challenges import insufficient_scope
from fastapi_kit.auth._logins import Logins
from fastapi_kit.auth._mail import Mail
from fastapi_kit.auth._parts import Client, Parts
from fastapi_kit.auth._policy import WeakPasswordError
from fastapi_kit.auth._rotation import digest, is_secret, new_secret
from fastapi_kit.auth._sessions import Ticket, TicketPurpose
from fastapi_kit.auth._users import EmailTakenError, NewUser, UserRecord
from fastapi_kit.errors import BadRequestError, ConflictError, ValidationProblem

Later = Callable[[Callable[[], Awaitable[None]]], None]
"""Has something done after the answer was sent."""

logger = logging.getLogger("fastapi_kit.auth")


class Accounts:
    """The flows of accounts.

    Whatever may tell whether an address has an account (a look-up, a mail) is done after the answer has been sent, or
    before a fixed deadline.
    """

    def __init__(self, parts: Parts, logins: Logins) -> None:
        self._parts = parts
        self._logins = logins

    async def register(
        self, email: str, password: str, values: Mapping[str, Any], client: Client, later: Later
    ) -> UserRecord | None:
        """Make an account.

        With mails, the answer does not tell whether the address had one already; its owner is told by mail.

        Returns:
            The user; `None` where mails tell.

        Raises:
            ValidationProblem: The password is not accepted.
            ConflictError: The address is taken, where there are no mails to tell its owner.
        """
        parts = self._parts
        await parts.throttled("register", email, client)
        self._check(password, [email, parts.options.name])
        started = parts.clock.monotonic()
        hashed = await parts.hasher.hash(password)
        try:
            user: UserRecord = await parts.users.add(
                NewUser(email=email, hashed_password=hashed, roles=parts.options.default_roles, values=values)
            )
        except EmailTakenError:
            if parts.mail is None:
                raise ConflictError("There is an account with this address.") from None
            later(_logged(lambda: self._already_registered(email)))
        else:
            await parts.tell("registered", client, user_id=str(user.id), email=email)
            if parts.mail is None:
                return user
            later(_logged(lambda: self._send_verification(user)))
        await self._pace(started)
        return None

    async def request_verification(self, email: str, client: Client, later: Later) -> None:
        """Mail a link that verifies an address, if it has an account that needs it."""
        await self._parts.throttled("verify", email, client)
        later(_logged(lambda: self._verification_wanted(email)))

    async def verify(self, token: str, client: Client) -> None:
        """Verify an address.

        Raises:
            BadRequestError: The token is not valid, or no longer.
        """
        ticket = await self._redeemed("verify", token)
        if not await self._parts.users.set_verified(ticket.user_id, ticket.binding):
            raise _bad_token()
        await self._parts.tell("verified", client, user_id=ticket.user_id)

    async def request_reset(self, email: str, client: Client, later: Later) -> None:
        """Mail a link that resets the password, if the address has an account."""
        await self._parts.throttled("reset", email, client)
        later(_logged(lambda: self._reset_wanted(email, client)))

    async def reset(self, token: str, password: str, client: Client) -> None:
        """Set a password by a link, and end all sessions.

        Raises:
            BadRequestError: The token is not valid, or no longer.
            ValidationProblem: The password is not accepted; the token stays good.
        """
        parts = self._parts
        self._check(password, [])
        ticket = await self._redeemed("reset", token)
        user: UserRecord | None = await parts.users.get(ticket.user_id)
        if user is None or ticket.binding != _fingerprint(user):
            raise _bad_token()
        try:
            self._check(password, [user.email, parts.options.name])
        except ValidationProblem:
            await parts.tokens.issue(digest(token), ticket, now=parts.now())
            raise
        hashed = await parts.hasher.hash(password)
        if not await parts.users.set_password(ticket.user_id, hashed, replacing=user.hashed_password):
            raise _bad_token()
        await parts.users.set_verified(ticket.user_id, user.email)  # the link has come by mail
        await parts.tokens.close_all(ticket.user_id, now=parts.now())
        await parts.forgive("login", user.email)
        await parts.tell("password_reset", client, user_id=ticket.user_id)

    async def change_password(
        self, user: UserRecord, present: str, new: str, client: Client, *, session_id: str | None
    ) -> None:
        """Change the password, and end all other sessions.

        Raises:
            BadRequestError: The present password is wrong.
            ValidationProblem: The new one is not accepted.
        """
        parts, user_id = self._parts, str(user.id)
        await parts.throttled("change", user_id, client)
        self._check(new, [user.email, parts.options.name], "new_password")
        if not (await parts.hasher.verify(present, user.hashed_password)).valid:
            raise BadRequestError("The current password is wrong.")
        hashed = await parts.hasher.hash(new)
        if not await parts.users.set_password(user_id, hashed, replacing=user.hashed_password):
            raise ConflictError("The password has been changed meanwhile.")
        await parts.forgive("change", user_id)
        await parts.tokens.close_all(user_id, now=parts.now(), keep=session_id)
        await parts.tell("password_changed", client, user_id=user_id, session_id=session_id)

    async def enable_totp(self, user: UserRecord, secret: str, code: str, client: Client) -> None:
        """Ask for a second factor from now on.

        Raises:
            BadRequestError: The code is not the secret's.
            ConflictError: There is a second factor already.
        """
        user_id = str(user.id)
        if user.totp_secret is not None:
            raise ConflictError("There is a second factor already.")
        await self._check_code(user_id, secret, code, client)
        await self._parts.users.set_totp_secret(user_id, secret)
        await self._parts.tell("totp_enabled", client, user_id=user_id)

    async def disable_totp(self, user: UserRecord, code: str, client: Client) -> None:
        """Ask for no second factor any more.

        Raises:
            BadRequestError: The code is wrong.
            ConflictError: There is no second factor.
        """
        user_id = str(user.id)
        if user.totp_secret is None:
            raise ConflictError("There is no second factor.")
        await self._check_code(user_id, user.totp_secret, code, client)
        await self._parts.users.set_totp_secret(user_id, None)
        await self._parts.tell("totp_disabled", client, user_id=user_id)

    async def create_api_key(
        self, user: UserRecord, name: str, scopes: list[str], lasts: timedelta | None, client: Client
    ) -> tuple[APIKey, str]:
        """Make an API key; the second is the whole key, which is told this once.

        Raises:
            ForbiddenError: A scope is not the user's.
        """
        parts = self._parts
        if not set(scopes) <= parts.permissions.of(user):
            raise insufficient_scope()
        assert parts.api_keys is not None  # noqa: S101 - without a store there is no route
        now = parts.now()
        key_id, key = new_api_key()
        made = APIKey(
            id=key_id,
            digest=digest(key),
            user_id=str(user.id),
            name=name,
            scopes=tuple(sorted(set(scopes))),
            created_at=now,
            expires_at=None if lasts is None else now + lasts,
        )
        await parts.api_keys.add(made)
        await parts.tell("api_key_created", client, user_id=made.user_id)
        return made, key

    async def _check_code(self, user_id: str, secret: str, code: str, client: Client) -> None:
        await self._parts.throttled("totp", user_id, client)
        if not await self._logins.claims_code(user_id, secret, code):
            raise BadRequestError("The one-time code is wrong, or was used already.")
        await self._parts.forgive("totp", user_id)

    def _check(self, password: str, personal: list[str], field: str = "password") -> None:
        try:
            self._parts.policy.check(password, personal=personal)
        except WeakPasswordError as error:
            raise ValidationProblem(
                [{"loc": ("body", field), "msg": str(error), "type": f"password_{error.weakness}"}]
            ) from None

    async def _redeemed(self, purpose: TicketPurpose, token: str) -> Ticket:
        if not is_secret(token):
            raise _bad_token()
        ticket = await self._parts.tokens.redeem(purpose, digest(token), now=self._parts.clock.now())
        if ticket is None:
            raise _bad_token()
        return ticket

    async def _pace(self, started: float) -> None:
        """Wait for the deadline that failures of logins have, or the next one, however long the work has taken."""
        deadline = await self._parts.hasher.calibrate()
        elapsed = self._parts.clock.monotonic() - started
        await asyncio.sleep(max(1, math.ceil(elapsed / deadline)) * deadline - elapsed)

    async def _verification_wanted(self, email: str) -> None:
        user: UserRecord | None = await self._parts.users.find(email)
        if user is not None and user.is_active and not user.is_verified:
            await self._send_verification(user)

    async def _send_verification(self, user: UserRecord) -> None:
        lasts = self._parts.options.verify_lifetime
        await self._send("verify", user, binding=user.email, lasts=lasts)

    async def _already_registered(self, email: str) -> None:
        user: UserRecord | None = await self._parts.users.find(email)
        if user is not None:
            await self._deliver(Mail("already_registered", user))

    async def _reset_wanted(self, email: str, client: Client) -> None:
        user: UserRecord | None = await self._parts.users.find(email)
        if user is None or not user.is_active:
            return
        await self._parts.tell("reset_requested", client, user_id=str(user.id), email=email)
        await self._send("reset", user, binding=_fingerprint(user), lasts=self._parts.options.reset_lifetime)

    async def _send(self, purpose: TicketPurpose, user: UserRecord, *, binding: str, lasts: timedelta) -> None:
        now, token = self._parts.now(), new_secret()
        ticket = Ticket(purpose, str(user.id), binding, now + lasts)
        await self._parts.tokens.issue(digest(token), ticket, now=now)
        await self._deliver(Mail(purpose, user, token))

    async def _deliver(self, mail: Mail) -> None:
        if self._parts.mail is not None:
            await self._parts.mail(mail)


def _logged(work: Callable[[], Awaitable[None]]) -> Callable[[], Awaitable[None]]:
    """The answer was sent: what goes wrong now is for the log alone."""

    async def run() -> None:
        try:
            await work()
        except Exception:
            logger.exception("A mail was not sent.")

    return run


def _fingerprint(user: UserRecord) -> str:
    """Of the password that a reset replaces: once it has been replaced, no earlier link is good any more."""
    return digest(f"{user.hashed_password}")


def _bad_token() -> BadRequestError:
    return BadRequestError("The link is not valid, or no longer.")
