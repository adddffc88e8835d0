"""Sessions in Redis, where a logout holds for every process and a request's check is one round trip.

Theory of operation. A session is a hash, `<prefix>{<id>}`, and its refresh tokens are another one beside it,
`<prefix>{<id>}:tokens`, from digest to the instant of use, in milliseconds, or nothing. What is decided about a session
is decided by a script, in one step. What is over is dropped by Redis itself.

A sorted set per user holds the ids of their sessions by their end. It is looked through when all are to end, so it may
name sessions that are over, and never lacks one.

A Redis that forgets by eviction, or starts empty, ends sessions and revives none. Only `revoke` and the end of tokens
without a session are notes that can be lost: run Redis with `noeviction` if you rely on them.
"""

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, cast

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
from fastapi_kit.redis import RedisClient, Script

_OPEN = Script("""
local now, ends_at, span, id, token = unpack(ARGV)
redis.call('ZREMRANGEBYSCORE', KEYS[3], '-inf', now)
redis.call('ZADD', KEYS[3], ends_at, id)
redis.call('PEXPIRE', KEYS[3], span, 'GT')
redis.call('PEXPIRE', KEYS[3], span, 'NX')
redis.call('HSET', KEYS[1], unpack(ARGV, 6))
redis.call('PEXPIRE', KEYS[1], span)
redis.call('HSET', KEYS[2], token, '')
redis.call('PEXPIRE', KEYS[2], span)
""")

# What `_rotation.use` does. The successor is written first: a hash that loses its last field loses its end as well.
_ROTATE = Script("""
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
""")

_ADMITS = Script("""
local found
if ARGV[1] == 'session' then
  found = redis.call('HGET', KEYS[2], 'expires_at')
else
  found = redis.call('GET', KEYS[2])
end
return {redis.call('EXISTS', KEYS[1]), found}
""")

_READ = Script("""
local found = {}
for n = 1, #KEYS do found[n] = redis.call('HGETALL', KEYS[n]) end
return found
""")

_CLOSE = Script("""
if redis.call('HGET', KEYS[1], 'user_id') ~= ARGV[1] then return 0 end
redis.call('DEL', KEYS[1], KEYS[2])
redis.call('ZREM', KEYS[3], ARGV[2])
return 1
""")


class RedisTokenStore:
    """Sessions in Redis.

    Args:
        redis: The app's client; its lifespan closes it. While the server does not answer, nobody is let in: a 503.
        prefix: What all keys begin with.
    """

    shared = True

    def __init__(self, redis: RedisClient, *, prefix: str = "auth:") -> None:
        self._redis = redis
        self._prefix = prefix

    async def open(self, session: LoginSession, first: RefreshDigest, /) -> None:
        """Begin a session."""
        now, end = session.authenticated_at, session.expires_at
        fields = [word for pair in {**_fields(session), "family": first.family}.items() for word in pair]
        await self._redis.run(
            _OPEN,
            *(_milliseconds(now), _milliseconds(end), _span(now, end), session.id, first.token),
            *fields,
            keys=self._keys(session.id, session.user_id),
        )

    async def rotate(
        self, presented: RefreshDigest, successor: str, /, *, now: datetime, grace: timedelta = timedelta()
    ) -> Rotation:
        """Use a refresh token up."""
        digests = (presented.token, successor, presented.family)
        times = (_milliseconds(now), round(grace.total_seconds() * 1_000))
        keys = self._keys(presented.session_id)
        outcome, fields = await self._redis.run(_ROTATE, *digests, *times, keys=keys)
        told = cast("RotationOutcome", _text(outcome))
        session = _session(_mapping(fields))
        return UNKNOWN if session is None or session.expires_at <= now else Rotation(told, session)

    async def sessions(self, user_id: str, /, *, now: datetime) -> list[LoginSession]:
        """The sessions of a user."""
        keys = [self._keys(session_id)[0] for session_id in await self._ids(user_id)]
        found = [_session(_mapping(fields)) for fields in await self._redis.run(_READ, keys=keys)]
        living = [session for session in found if session and session.user_id == user_id and session.expires_at > now]
        return sorted(living, key=lambda session: session.last_used_at, reverse=True)

    async def close(self, session_id: str, /, *, user_id: str) -> bool:
        """End a session."""
        return bool(await self._redis.run(_CLOSE, user_id, session_id, keys=self._keys(session_id, user_id)))

    async def close_all(self, user_id: str, /, *, now: datetime, keep: str | None = None) -> int:
        """End all sessions of a user."""
        await self._keep(self._prefix + "not-before:" + user_id, str(_milliseconds(now)), now, now + SESSIONLESS)
        ids = [session_id for session_id in await self._ids(user_id) if session_id != keep]
        return sum([await self.close(session_id, user_id=user_id) for session_id in ids])

    async def revoke(self, token_id: str, /, *, now: datetime, until: datetime) -> None:
        """End one access token."""
        if until > now:
            await self._keep(self._prefix + "revoked:" + token_id, "1", now, until)

    async def admits(self, token: TokenReference, /, *, now: datetime) -> bool:
        """Whether an access token still holds."""
        revoked = self._prefix + "revoked:" + token.token_id
        if token.session_id is None:
            keys, kind = [revoked, self._prefix + "not-before:" + token.user_id], "user"
        else:
            keys, kind = [revoked, self._keys(token.session_id)[0]], "session"
        is_revoked, found = await self._redis.run(_ADMITS, kind, keys=keys)
        if is_revoked:
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
        found = await self._redis.run("GETDEL", self._ticket(purpose, secret_digest))
        if found is None:
            return None
        user_id, binding, end = json.loads(found)
        return Ticket(purpose, user_id, binding, _instant(end)) if _instant(end) > now else None

    async def claim(self, key: str, /, *, now: datetime, until: datetime) -> bool:
        """Whether this is the first claim of a key."""
        return await self._keep(self._prefix + "claim:" + key, "1", now, until, "NX")

    async def purge(self, *, now: datetime) -> int:  # noqa: ARG002 - the protocol's
        """Nothing to do: Redis drops what is over."""
        return 0

    async def _keep(self, key: str, value: str, now: datetime, until: datetime, *conditions: str) -> bool:
        return bool(await self._redis.run("SET", key, value, "PX", _span(now, until), *conditions))

    async def _ids(self, user_id: str) -> list[str]:
        return [_text(it) for it in await self._redis.run("ZRANGE", self._index(user_id), 0, -1)]

    def _keys(self, session_id: str, user_id: str | None = None) -> list[str]:
        """Those of a session and its tokens, and, where the user is given, that of the user's sessions."""
        key = f"{self._prefix}{{{session_id}}}"
        return [key, key + ":tokens", *([] if user_id is None else [self._index(user_id)])]

    def _index(self, user_id: str) -> str:
        return f"{self._prefix}user:{user_id}"

    def _ticket(self, purpose: TicketPurpose, secret_digest: str) -> str:
        return f"{self._prefix}ticket:{purpose}:{secret_digest}"


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
