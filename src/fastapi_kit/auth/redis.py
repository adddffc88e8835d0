"""Sessions in Redis, where a logout holds for every process and a request's check is one round trip.

Theory of operation. A session is a hash, `<prefix>{<id>}`, and its refresh tokens are another one beside it,
`<prefix>{<id>}:tokens`, from digest to the instant of use, in milliseconds, or nothing. The braces keep both in one
slot of a cluster, so that a script may decide about both in one step. What is over is dropped by Redis itself.

A sorted set per user holds the ids of their sessions by their end. It is written before a session begins and looked
through when all are to end, so it may name sessions that are over, and never lacks one.

A Redis that forgets by eviction, or starts empty, ends sessions and revives none. Only `revoke` and the end of tokens
without a session are notes that can be lost: run Redis with `noeviction` if you rely on them.
"""

import asyncio
import json
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, cast

try:
    from redis.asyncio import Redis
    from redis.exceptions import RedisError
except ModuleNotFoundError as error:
    raise ImportError("fastapi_kit.auth.redis needs redis: pip install 'fastapi-kit[redis]'") from error

from fastapi_kit.auth._rotation import RefreshDigest, RotationOutcome
from fastapi_kit.auth._sessions import (
    SESSIONLESS,
    UNKNOWN,
    LoginSession,
    Rotation,
    Ticket,
    TicketPurpose,
    TokenReference,
)
from fastapi_kit.errors import ServiceUnavailableError

__all__ = ["RedisTokenStore"]

# What `_rotation.use` does. The successor is written first: a hash that loses its last field loses its end as well.
_ROTATE = """
local fields = redis.call('HGETALL', KEYS[1])
if #fields == 0 then return {'unknown', {}} end
local presented, successor, family = ARGV[1], ARGV[2], ARGV[3]
local now, grace = tonumber(ARGV[4]), tonumber(ARGV[5])
local used = redis.call('HGET', KEYS[2], presented)
if used == false and redis.call('HGET', KEYS[1], 'family') ~= family then return {'unknown', {}} end
if used == false or (used ~= '' and now - tonumber(used) >= grace) then
  redis.call('DEL', KEYS[1], KEYS[2])
  return {'reused', fields}
end
local tokens = redis.call('HGETALL', KEYS[2])
redis.call('HSET', KEYS[2], successor, '')
for n = 1, #tokens, 2 do
  local at = tokens[n + 1]
  if at == '' and used == '' then
    at = ARGV[4]
    redis.call('HSET', KEYS[2], tokens[n], at)
  end
  if at ~= '' and now - tonumber(at) >= grace then redis.call('HDEL', KEYS[2], tokens[n]) end
end
redis.call('HSET', KEYS[1], 'last_used_at', ARGV[4])
return {used == '' and 'rotated' or 'repeated', redis.call('HGETALL', KEYS[1])}
"""

_CLOSE = """
if redis.call('HGET', KEYS[1], 'user_id') ~= ARGV[1] then return 0 end
redis.call('DEL', KEYS[1], KEYS[2])
return 1
"""


class RedisTokenStore:
    """Sessions in Redis.

    Args:
        client: The app's client; the app closes it. Answers as bytes or as text, both are right.
        prefix: What all keys begin with.
        timeout: Seconds after which Redis counts as out of reach, whatever the client's own time-outs are.
    """

    shared = True

    def __init__(self, client: "Redis", *, prefix: str = "auth:", timeout: float = 1.0) -> None:
        self._client: Any = client
        self._prefix = prefix
        self._timeout = timeout
        self._rotate: Any = self._client.register_script(_ROTATE)
        self._close: Any = self._client.register_script(_CLOSE)

    async def open(self, session: LoginSession, first: RefreshDigest, /) -> None:
        """Begin a session."""
        key, tokens = self._keys(session.id)
        index = self._index(session.user_id)
        span = _span(session.authenticated_at, session.expires_at)
        async with self._reachable():
            noting = self._client.pipeline(transaction=False)
            noting.zremrangebyscore(index, "-inf", _milliseconds(session.authenticated_at))
            noting.zadd(index, {session.id: _milliseconds(session.expires_at)})
            noting.pexpire(index, span, gt=True)
            noting.pexpire(index, span, nx=True)
            await noting.execute()
            beginning = self._client.pipeline(transaction=True)
            beginning.hset(key, mapping={**_fields(session), "family": first.family})
            beginning.hset(tokens, first.token, "")
            beginning.pexpire(key, span)
            beginning.pexpire(tokens, span)
            await beginning.execute()

    async def rotate(
        self, presented: RefreshDigest, successor: str, /, *, now: datetime, grace: timedelta = timedelta()
    ) -> Rotation:
        """Use a refresh token up; decided by a script, which nothing interrupts."""
        digests = (presented.token, successor, presented.family)
        arguments = [*digests, _milliseconds(now), round(grace.total_seconds() * 1_000)]
        async with self._reachable():
            outcome, fields = await self._rotate(keys=self._keys(presented.session_id), args=arguments)
        told = cast("RotationOutcome", _text(outcome))
        session = _session(_mapping(fields))
        return UNKNOWN if session is None or session.expires_at <= now else Rotation(told, session)

    async def sessions(self, user_id: str, /, *, now: datetime) -> list[LoginSession]:
        """The sessions of a user."""
        async with self._reachable():
            reading = self._client.pipeline(transaction=False)
            for session_id in await self._ids(user_id):
                reading.hgetall(self._keys(session_id)[0])
            found = [_session(_mapping(fields)) for fields in await reading.execute()]
        living = [session for session in found if session and session.user_id == user_id and session.expires_at > now]
        return sorted(living, key=lambda session: session.last_used_at, reverse=True)

    async def close(self, session_id: str, /, *, user_id: str) -> bool:
        """End a session."""
        async with self._reachable():
            closed = bool(await self._close(keys=self._keys(session_id), args=[user_id]))
            await self._client.zrem(self._index(user_id), session_id)
        return closed

    async def close_all(self, user_id: str, /, *, now: datetime, keep: str | None = None) -> int:
        """End all sessions of a user."""
        async with self._reachable():
            await self._client.set(self._prefix + "not-before:" + user_id, _milliseconds(now), ex=SESSIONLESS)
            ids = [it for it in await self._ids(user_id) if it != keep]
            ending = self._client.pipeline(transaction=False)
            for session_id in ids:
                ending.delete(*self._keys(session_id))
                ending.zrem(self._index(user_id), session_id)
            return sum(1 for ended in (await ending.execute())[::2] if ended)

    async def revoke(self, token_id: str, /, *, now: datetime, until: datetime) -> None:
        """End one access token."""
        if until > now:
            await self._keep(self._prefix + "revoked:" + token_id, "1", now, until)

    async def admits(self, token: TokenReference, /, *, now: datetime) -> bool:
        """Whether an access token still holds."""
        asking = self._client.pipeline(transaction=False)
        asking.exists(self._prefix + "revoked:" + token.token_id)
        if token.session_id is None:
            asking.get(self._prefix + "not-before:" + token.user_id)
        else:
            asking.hget(self._keys(token.session_id)[0], "expires_at")
        async with self._reachable():
            revoked, found = await asking.execute()
        if revoked:
            return False
        if token.session_id is None:
            return token.outlives(None if found is None else int(found) / 1_000, now)
        return found is not None and _instant(int(found)) > now

    async def issue(self, secret_digest: str, ticket: Ticket, /, *, now: datetime) -> None:
        """Keep a ticket."""
        value = json.dumps([ticket.user_id, ticket.binding, _milliseconds(ticket.expires_at)])
        await self._keep(self._ticket(ticket.purpose, secret_digest), value, now, ticket.expires_at)

    async def redeem(self, purpose: TicketPurpose, secret_digest: str, /, *, now: datetime) -> Ticket | None:
        """Take a ticket out."""
        async with self._reachable():
            found = await self._client.getdel(self._ticket(purpose, secret_digest))
        if found is None:
            return None
        user_id, binding, end = json.loads(found)
        return Ticket(purpose, user_id, binding, _instant(end)) if _instant(end) > now else None

    async def claim(self, key: str, /, *, now: datetime, until: datetime) -> bool:
        """Whether this is the first claim of a key."""
        return await self._keep(self._prefix + "claim:" + key, "1", now, until, only_new=True)

    async def purge(self, *, now: datetime) -> int:  # noqa: ARG002 - the protocol's
        """Nothing to do: Redis drops what is over."""
        return 0

    async def _keep(self, key: str, value: str, now: datetime, until: datetime, *, only_new: bool = False) -> bool:
        async with self._reachable():
            return bool(await self._client.set(key, value, px=_span(now, until), nx=only_new))

    async def _ids(self, user_id: str) -> list[str]:
        return [_text(it) for it in await self._client.zrange(self._index(user_id), 0, -1)]

    def _keys(self, session_id: str) -> list[str]:
        key = f"{self._prefix}{{{session_id}}}"
        return [key, key + ":tokens"]

    def _index(self, user_id: str) -> str:
        return f"{self._prefix}user:{user_id}"

    def _ticket(self, purpose: TicketPurpose, secret_digest: str) -> str:
        return f"{self._prefix}ticket:{purpose}:{secret_digest}"

    @asynccontextmanager
    async def _reachable(self) -> AsyncGenerator[None]:
        """Within the time-out, or nobody is let in."""
        try:
            async with asyncio.timeout(self._timeout):
                yield
        except (RedisError, OSError, TimeoutError) as error:
            raise ServiceUnavailableError("The sessions cannot be reached.", retry_after=1) from error


def _span(now: datetime, until: datetime) -> int:
    """Milliseconds to keep something, by the caller's clock, whatever that of Redis shows."""
    return max(1, round((until - now).total_seconds() * 1_000))


def _fields(session: LoginSession) -> dict[str, Any]:
    return {
        "id": session.id,
        "user_id": session.user_id,
        "scopes": json.dumps(session.scopes),
        "authenticated_at": _milliseconds(session.authenticated_at),
        "last_used_at": _milliseconds(session.last_used_at),
        "expires_at": _milliseconds(session.expires_at),
        "address": session.address or "",
        "user_agent": session.user_agent or "",
    }


def _session(fields: Mapping[str, str]) -> LoginSession | None:
    if not fields:
        return None
    return LoginSession(
        id=fields["id"],
        user_id=fields["user_id"],
        scopes=tuple(json.loads(fields["scopes"])),
        authenticated_at=_instant(int(fields["authenticated_at"])),
        last_used_at=_instant(int(fields["last_used_at"])),
        expires_at=_instant(int(fields["expires_at"])),
        address=fields["address"] or None,
        user_agent=fields["user_agent"] or None,
    )


def _mapping(answer: list[Any] | dict[Any, Any]) -> dict[str, str]:
    """The fields of a hash, which a script gives as a list and the client as a mapping."""
    fields = dict(zip(answer[::2], answer[1::2], strict=True)) if isinstance(answer, list) else answer
    return {_text(key): _text(value) for key, value in fields.items()}


def _text(value: bytes | str) -> str:
    return value.decode() if isinstance(value, bytes) else value


def _milliseconds(instant: datetime) -> int:
    return round(instant.timestamp() * 1_000)


def _instant(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(milliseconds / 1_000, UTC)
