"""Logging in, staying logged in, and logging out."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta

from fastapi_kit.auth._challenges import invalid_grant
from fastapi_kit.auth._claims import Claims
from fastapi_kit.auth._parts import Client, Parts
from fastapi_kit.auth._passwords import Verification
from fastapi_kit.auth._rotation import RefreshToken, digest, new_secret
from fastapi_kit.auth._sessions import LoginSession, new_session_id
from fastapi_kit.auth._totp import STEP, WINDOW, matching_step
from fastapi_kit.auth._users import UserRecord, normal_email

_LONGEST_ADDRESS = 64
_LONGEST_USER_AGENT = 256


@dataclass(frozen=True, slots=True)
class Credentials:
    """What is typed at a login."""

    username: str
    password: str
    otp: str | None = None
    scopes: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return "Credentials()"


@dataclass(frozen=True, slots=True)
class Grant:
    """What a login or a renewal gives."""

    user: UserRecord
    session: LoginSession
    scopes: tuple[str, ...]
    access_token: str
    expires_in: int
    refresh_token: str
    csrf_token: str

    def __repr__(self) -> str:
        return f"Grant(session={self.session.id!r})"


class Logins:
    """The flows of sessions."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    async def login(self, given: Credentials, client: Client) -> Grant:
        """Open a session.

        Every failure but a missing one-time code has the same answer, at the hasher's deadline.

        Raises:
            UnauthorizedError: User name, password or code is wrong, or the user may not log in.
            TooManyAttemptsError: There were too many attempts on the account, or from the address.
        """
        parts = self._parts
        email = normal_email(given.username)
        account = email or ""
        await parts.throttled("login", account, client)
        user: UserRecord | None = None if email is None else await parts.users.find(email)
        eligible = user is not None and user.is_active and (user.is_verified or not parts.options.verified_only)
        stored = None if user is None else user.hashed_password
        found = await parts.hasher.verify(given.password, stored, eligible=eligible)
        if user is None or not found.valid:
            await parts.tell("login_failed", client, user_id=None if user is None else str(user.id), email=account)
            raise invalid_grant()
        await self._second_factor(user, given.otp, client)
        await parts.forgive("login", account)
        password_hash = await self._rehashed(user, given.password, found)
        return await self._opened(user, password_hash, given.scopes, client)

    async def refresh(self, token: str, client: Client) -> Grant:
        """Renew a session's tokens.

        Raises:
            UnauthorizedError: The token is no good: unknown, used before, or its session or user is gone.
        """
        parts = self._parts
        presented = RefreshToken.parse(token)
        if presented is None:
            raise invalid_grant()
        successor = presented.successor()
        outcome, session = await parts.tokens.rotate(
            presented.digest, successor.digest.token, now=parts.now(), grace=parts.options.refresh_grace
        )
        if session is None or outcome in {"reused", "unknown"}:
            if session is not None:
                await parts.tell("refresh_reused", client, user_id=session.user_id, session_id=session.id)
            raise invalid_grant()
        user: UserRecord | None = await parts.users.get(session.user_id)
        if user is None or not user.is_active:
            await parts.tokens.close(session.id, user_id=session.user_id)
            raise invalid_grant()
        await parts.tell("refreshed", client, user_id=session.user_id, session_id=session.id)
        return self._grant(user, session, successor)

    async def logout(self, session_id: str, user_id: str, client: Client) -> bool:
        """End one session, with its access tokens; whether there was one."""
        ended = await self._parts.tokens.close(session_id, user_id=user_id)
        if ended:
            await self._parts.tell("logout", client, user_id=user_id, session_id=session_id)
        return ended

    async def logout_all(self, user_id: str, client: Client, *, keep: str | None = None) -> int:
        """End all sessions of a user but `keep`; how many."""
        ended = await self._parts.tokens.close_all(user_id, now=self._parts.now(), keep=keep)
        await self._parts.tell("logout_all", client, user_id=user_id, session_id=keep)
        return ended

    async def _second_factor(self, user: UserRecord, otp: str | None, client: Client) -> None:
        """Ask for the one-time code, if there is a second factor; it has been counted as an attempt already."""
        if user.totp_secret is None:
            return
        if otp is None:
            raise invalid_grant("otp_required")
        if not await self.claims_code(str(user.id), user.totp_secret, otp):
            await self._parts.tell("login_failed", client, user_id=str(user.id), email=user.email)
            raise invalid_grant()

    async def claims_code(self, user_id: str, secret: str, code: str) -> bool:
        """Whether a one-time code is good, which it is once (RFC 6238, section 5.2)."""
        now = self._parts.clock.now()
        step = matching_step(secret, code, now.timestamp())
        if step is None:
            return False
        until = now + timedelta(seconds=STEP * (2 * WINDOW + 2))
        return await self._parts.tokens.claim(f"totp:{user_id}:{step}", now=now, until=until)

    async def _rehashed(self, user: UserRecord, password: str, found: Verification) -> str | None:
        """The hash that the store has now, made anew if it was an old one."""
        if not found.needs_rehash:
            return user.hashed_password
        hasher, users = self._parts.hasher, self._parts.users
        made = await hasher.hash(password)
        if await users.set_password(str(user.id), made, replacing=user.hashed_password):
            return made
        changed: UserRecord | None = await users.get(
            str(user.id)
        )  # by another login of the same user, or to another password
        stored = None if changed is None else changed.hashed_password
        return stored if (await hasher.verify(password, stored)).valid else user.hashed_password

    async def _opened(
        self, user: UserRecord, password_hash: str | None, scopes: Iterable[str], client: Client
    ) -> Grant:
        parts, now = self._parts, self._parts.now()
        session = LoginSession(
            id=new_session_id(),
            user_id=str(user.id),
            scopes=parts.permissions.granted(user, scopes),
            authenticated_at=now,
            last_used_at=now,
            expires_at=now + parts.options.session_lifetime,
            address=_printable(client.address, _LONGEST_ADDRESS),
            user_agent=_printable(client.user_agent, _LONGEST_USER_AGENT),
        )
        token = RefreshToken.new(session.id)
        await parts.tokens.open(session, token.digest)
        # A password that was changed while this one was compared has ended all sessions that there were by then, and
        # not this one. What was changed before is seen here; what is changed after this ends this one, too.
        again: UserRecord | None = await parts.users.get(session.user_id)
        if again is None or not again.is_active or again.hashed_password != password_hash:
            await parts.tokens.close(session.id, user_id=session.user_id)
            raise invalid_grant()
        await parts.tell("login", client, user_id=session.user_id, session_id=session.id)
        return self._grant(again, session, token)

    def _grant(self, user: UserRecord, session: LoginSession, token: RefreshToken) -> Grant:
        parts = self._parts
        now = parts.clock.now()
        scopes = tuple(sorted(set(session.scopes) & parts.permissions.of(user)))
        csrf_token = new_secret()
        claims = Claims.issue(
            session.user_id,
            now=now,
            lifetime=min(parts.options.access_lifetime, session.expires_at - parts.now()),
            scope=scopes,
            auth_time=int(session.authenticated_at.timestamp()),
            extra={"sid": session.id, "csrf": digest(csrf_token)},
        )
        access_token = parts.codec.encode(claims)
        return Grant(user, session, scopes, access_token, claims.exp - claims.iat, token.text, csrf_token)


def _printable(text: str | None, longest: int) -> str | None:
    """What every store can keep of a text that anybody may have written."""
    return None if text is None else "".join(character for character in text if character.isprintable())[:longest]
