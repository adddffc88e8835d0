"""The three functions that tutorials write by hand, with the signatures that their readers know."""

from collections.abc import Mapping
from datetime import timedelta
from functools import cache
from typing import Any

from fastapi_kit.auth._claims import RESERVED, Claims
from fastapi_kit.auth._codec import Codec
from fastapi_kit.auth._passlib import LEGACY, Argon2, Hashes, Match

_LIFETIME = timedelta(minutes=15)


def get_password_hash(password: str) -> str:
    """The argon2id hash of a password.

    It blocks for some 25 ms: in an `async def`, await `PasswordHasher.hash`.

    Raises:
        ValueError: It is longer than 4096 bytes.
    """
    return _hashes().hash(password)


def verify_password(plain_password: str, hashed_password: str) -> bool:
    """Whether a password is the one of a hash by argon2, bcrypt, bcrypt_sha256 or PBKDF2; it never raises.

    It blocks, and tells by its timing what it found: in an endpoint, await `PasswordHasher.verify`.
    """
    return _hashes().match(plain_password, hashed_password) is Match.YES


def create_access_token(data: Mapping[str, Any], expires_delta: timedelta | None = None, *, codec: Codec) -> str:
    """A token of these claims, with `exp`, `iat` and `jti` added.

    Args:
        data: The claims: `sub`, perhaps `scope` as text, and whatever else.
        expires_delta: How long it is valid; 15 minutes if left out.
        codec: What makes it, and reads it again.

    Raises:
        ValueError: `sub` is missing or empty, or other claims are not what `Codec.encode` takes.
    """
    extra = {name: value for name, value in data.items() if name not in {"sub", "scope"}}
    if taken := sorted(RESERVED & extra.keys()):
        raise ValueError(f"{', '.join(taken)}: written by the codec, not given.")
    sub, scope = data.get("sub"), data.get("scope", "")
    if not isinstance(sub, str) or not isinstance(scope, str):
        raise ValueError("`sub`, which must be there, and `scope` are texts.")  # noqa: TRY004 - as documented
    lifetime = _LIFETIME if expires_delta is None else expires_delta
    now = codec.clock.now()
    return codec.encode(Claims.issue(sub, now=now, lifetime=lifetime, scope=scope.split(), extra=extra))


@cache
def _hashes() -> Hashes:
    return Hashes(Argon2(), LEGACY)
