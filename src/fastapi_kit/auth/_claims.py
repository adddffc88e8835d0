"""What a token says (RFC 7519, section 4), typed, and whether that holds now. Pure: time is an argument."""

import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, cast

from fastapi_kit.auth import _json
from fastapi_kit.auth._errors import InvalidTokenError
from fastapi_kit.auth._json import Json

RESERVED = frozenset({"sub", "exp", "iat", "jti", "scope", "nbf", "auth_time", "iss", "aud"})
"""Names that `Claims.extra` may not have."""

_LATEST = 253_402_300_799
"""The last second of the year 9999, beyond which Python has no dates."""
_LONGEST_TEXT = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Claims:
    """What a token says about whom it was given to; times are whole seconds since 1970 (NumericDate).

    Args:
        sub: Who it is about: the user's key, as text.
        exp: When it ceases to be valid; at that second it is not.
        iat: When it was issued.
        jti: Its own name, by which it can be revoked.
        scope: What it allows (RFC 8693, section 4.2).
        nbf: When it begins to be valid, if later than `iat`.
        auth_time: When the user last proved who they are (OpenID Connect Core, section 2).
        extra: Further claims, of JSON values.
    """

    sub: str
    exp: int
    iat: int
    jti: str
    scope: tuple[str, ...] = ()
    nbf: int | None = None
    auth_time: int | None = None
    extra: Mapping[str, Json] = field(default_factory=dict[str, Json], hash=False)

    @classmethod
    def issue(  # noqa: PLR0913 - each a claim
        cls,
        sub: str,
        *,
        now: datetime,
        lifetime: timedelta,
        scope: Iterable[str] = (),
        auth_time: int | None = None,
        extra: Mapping[str, Json] | None = None,
    ) -> "Claims":
        """Claims of a new token, with a random `jti` of 128 bits.

        Args:
            sub: Who it is about.
            now: The current instant.
            lifetime: How long it is valid, counted from the whole second before `now`.
            scope: What it allows.
            auth_time: When the user last proved who they are.
            extra: Further claims.
        """
        iat = int(now.timestamp())
        exp = iat + int(lifetime.total_seconds())
        jti = secrets.token_urlsafe(16)
        return cls(sub=sub, exp=exp, iat=iat, jti=jti, scope=tuple(scope), auth_time=auth_time, extra=dict(extra or {}))


@dataclass(frozen=True, slots=True)
class Rules:
    """What is asked of claims besides their types.

    Args:
        issuer: What `iss` must be; unchecked if `None`.
        audience: What `aud` must hold; if `None`, there must be no `aud` (RFC 7519, section 4.1.3).
        leeway: Seconds by which clocks may differ.
        outside: Whether the token is another's: its `jti` may be missing, and `scope` may be an array or be `scp`.
    """

    issuer: str | None = None
    audience: str | None = None
    leeway: float = 0
    outside: bool = False


def dump(claims: Claims, rules: Rules) -> bytes:
    """The payload of these claims.

    Raises:
        ValueError: `read` would not take it, whenever it were.
        TypeError: `extra` holds something that is no JSON.
    """
    if taken := sorted(RESERVED & claims.extra.keys()):
        raise ValueError(f"{', '.join(taken)}: not an extra claim, but one with a meaning of its own.")
    members: dict[str, Any] = {"sub": claims.sub, "exp": claims.exp, "iat": claims.iat, "jti": claims.jti}
    members |= {name: time for name in ("nbf", "auth_time") if (time := getattr(claims, name)) is not None}
    if claims.scope:
        members["scope"] = " ".join(claims.scope)
    if rules.issuer is not None:
        members["iss"] = rules.issuer
    if rules.audience is not None:
        members["aud"] = rules.audience
    payload = _json.dump_object({**members, **claims.extra})
    try:
        found = _typed(members | dict(claims.extra), rules, claims.jti)
    except InvalidTokenError as error:
        raise ValueError(str(error)) from None
    if found.scope != claims.scope:
        raise ValueError("A scope has a space in it, or is empty.")
    return payload


def read(payload: bytes, rules: Rules, now: float, otherwise_jti: str | None = None) -> Claims:
    """The claims of a payload that hold now.

    Args:
        payload: As it was signed.
        rules: What is asked of it.
        now: Seconds since 1970.
        otherwise_jti: What stands for a missing `jti`.

    Raises:
        InvalidTokenError: They are missing, of another type, or do not hold.
    """
    try:
        members = _json.parse_object(payload)
    except ValueError:
        raise InvalidTokenError("claims", "The payload is no JSON object that is accepted.") from None
    claims = _typed(members, rules, otherwise_jti)
    if claims.exp <= now - rules.leeway:
        raise InvalidTokenError("expired", "The token has expired.")
    if max(claims.iat, claims.nbf or 0) > now + rules.leeway:
        raise InvalidTokenError("not_yet_valid", "The token is not valid yet.")
    _check_parties(members, rules)
    return claims


def _typed(members: Mapping[str, Any], rules: Rules, otherwise_jti: str | None) -> Claims:
    jti = members.get("jti", otherwise_jti if rules.outside else None)
    times = {name: _time(members, name) for name in ("nbf", "auth_time") if name in members}
    return Claims(
        sub=_text(members.get("sub"), "sub"),
        exp=_time(members, "exp"),
        iat=_time(members, "iat"),
        jti=_text(jti, "jti"),
        scope=_scope(members, rules),
        extra={name: value for name, value in members.items() if name not in RESERVED},
        **times,
    )


def _text(value: object, name: str) -> str:
    if not isinstance(value, str) or not 0 < len(value) <= _LONGEST_TEXT:
        raise InvalidTokenError("claims", f"{name} must be a text of 1 to {_LONGEST_TEXT} characters.")
    return value


def _time(members: Mapping[str, Any], name: str) -> int:
    value = members.get(name)
    if type(value) is not int or not 0 <= value <= _LATEST:
        raise InvalidTokenError("claims", f"{name} must be whole seconds since 1970.")
    return value


def _scope(members: Mapping[str, Any], rules: Rules) -> tuple[str, ...]:
    value = members.get("scope", members.get("scp", "") if rules.outside else "")
    if isinstance(value, str):
        return tuple(value.split(" ")) if value and _is_scope(value) else _no_scope(value)
    if rules.outside and isinstance(value, list):
        items = cast("list[object]", value)
        return tuple(item for item in items if isinstance(item, str))
    raise InvalidTokenError("claims", "scope must be a text.")


def _is_scope(value: str) -> bool:
    return "" not in value.split(" ")


def _no_scope(value: str) -> tuple[str, ...]:
    if value:
        raise InvalidTokenError("claims", "scope must be words with one space between them.")
    return ()


def _check_parties(members: Mapping[str, Any], rules: Rules) -> None:
    if rules.issuer is not None and members.get("iss") != rules.issuer:
        raise InvalidTokenError("issuer", "The token is of another issuer.")
    if rules.audience is None and "aud" not in members:
        return
    found: object = members.get("aud")
    audiences = cast("Sequence[object]", found) if isinstance(found, list) else [found]
    if rules.audience is None or rules.audience not in audiences:
        raise InvalidTokenError("audience", "The token is for another audience.")
