"""The strict front: what of a token is looked at, in which order, before and after its signature.

A token is three texts of base64url between two dots (RFC 7515, section 7.1). In this order, and each step only if the
one before was passed:

1. a string of ASCII, no longer than the limit, with just two dots, each part canonical base64url;
2. the header: a JSON object without a name given twice, with names of a short list, `alg` among them, no `crit`;
3. the key: of the `kid` and bound to the `alg` that the header names, or, without `kid`, each of that `alg`;
4. the signature: of the length of that key's, and right;
5. only then is the payload read by anybody.

Nothing here does I/O or reads a clock. Backends see message, signature and key, and have no say in the rest.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import NamedTuple

from fastapi_kit.auth import _base64url, _json
from fastapi_kit.auth._backends import Backend, Verify
from fastapi_kit.auth._errors import InvalidTokenError
from fastapi_kit.auth._keys import Key, KeyRing

HEADERS = frozenset({"alg", "typ", "cty", "kid", "x5t", "x5t#S256"})
"""Names that a header may have. `crit` asks for what is not here, `jwk`, `jku`, `x5u` and `x5c` bring a key along."""

_PARTS = 3


class Header(NamedTuple):
    """What matters of a header."""

    alg: str
    kid: str | None
    typ: str | None


class Signed(NamedTuple):
    """A token whose signature is right."""

    header: Header
    payload: bytes
    message: bytes

    @property
    def digest(self) -> str:
        """A name for what was signed, for tokens that have none."""
        return _base64url.encode(sha256(self.message).digest())


@dataclass(frozen=True, slots=True)
class _Prepared:
    key: Key
    verify: Verify
    signature_bytes: int


class Jws:
    """Signs and verifies compact JWS with the keys of a ring; immutable, safe to share.

    Args:
        keys: Those that sign and verify.
        backend: Who computes.
        max_bytes: Length of the longest token, in characters.
        headers: Names that a header may have besides.

    Raises:
        ValueError: The backend lacks a key's algorithm.
    """

    def __init__(
        self, keys: KeyRing, backend: Backend, *, max_bytes: int, headers: frozenset[str] = frozenset()
    ) -> None:
        for key in keys.keys:
            if key.algorithm not in backend.algorithms:
                raise ValueError(f'{key.algorithm} needs backend="pyjwt" (pip install "fastapi-kit[auth,pyjwt]").')
        self._max_bytes = max_bytes
        self._headers = HEADERS | headers
        self._keys = [_Prepared(key, backend.verifier(key), key.signature_bytes) for key in keys.keys]
        self._signing = keys.signing
        self._sign = backend.signer(keys.signing) if keys.signing else None
        self._own = {_own_header(key, "JWT"): Header(key.algorithm, key.kid, "JWT") for key in keys.keys}

    def sign(self, payload: bytes, typ: str = "JWT") -> str:
        """The token of a payload.

        Raises:
            ValueError: The ring has no signing key, or the token would be too long to be accepted.
        """
        if self._signing is None or self._sign is None:
            raise ValueError("This ring only verifies: give it a signing key.")
        message = f"{_own_header(self._signing, typ)}.{_base64url.encode(payload)}"
        token = f"{message}.{_base64url.encode(self._sign(message.encode('ascii')))}"
        if len(token) > self._max_bytes:
            raise ValueError(f"The token would have {len(token)} characters, and {self._max_bytes} are accepted.")
        return token

    def verify(self, token: object) -> Signed:
        """The header and payload of a token.

        Raises:
            InvalidTokenError: It is not one of a key of the ring.
        """
        if not isinstance(token, str) or len(token) > self._max_bytes:
            raise InvalidTokenError("malformed", "The token is no string, or too long.")
        parts = token.split(".", _PARTS)
        if len(parts) != _PARTS:
            raise InvalidTokenError("malformed", "The token does not have three parts.")
        protected, body, tail = parts
        try:
            payload, signature = _base64url.decode(body), _base64url.decode(tail)
        except ValueError:
            raise InvalidTokenError("malformed", "The token is not canonical base64url.") from None
        header = self._own.get(protected) or self._header(protected)
        message = f"{protected}.{body}".encode("ascii")
        if not self._is_signed(header, message, signature):
            raise InvalidTokenError("signature", "The signature is not right.")
        return Signed(header, payload, message)

    def _header(self, protected: str) -> Header:
        try:
            raw = _base64url.decode(protected)
        except ValueError:
            raise InvalidTokenError("malformed", "The token is not canonical base64url.") from None
        try:
            return _read(_json.parse_object(raw), self._headers)
        except ValueError:
            raise InvalidTokenError("header", "The header is not one that is accepted.") from None

    def _is_signed(self, header: Header, message: bytes, signature: bytes) -> bool:
        named = self._keys
        if header.kid is not None:
            named = [it for it in named if it.key.kid == header.kid]
            if not named:
                raise InvalidTokenError("key", "There is no key of that name.")
        fit = [it for it in named if it.key.algorithm == header.alg]
        if not fit:
            raise InvalidTokenError("algorithm", "No key is for that algorithm.")
        return any(len(signature) == it.signature_bytes and it.verify(message, signature) for it in fit)


def _read(members: Mapping[str, object], allowed: frozenset[str]) -> Header:
    if not members.keys() <= allowed:
        raise ValueError("a name that is not allowed")
    alg, kid, typ = (members.get(name) for name in ("alg", "kid", "typ"))
    if not isinstance(alg, str) or not isinstance(kid, str | None) or not isinstance(typ, str | None):
        raise ValueError("a member of another type")  # noqa: TRY004 - of what was sent
    if "kid" in members and kid is None:
        raise ValueError("a member of another type")
    return Header(alg, kid, typ)


def _own_header(key: Key, typ: str) -> str:
    named = {} if key.kid is None else {"kid": key.kid}
    return _base64url.encode(_json.dump_object({"alg": key.algorithm, **named, "typ": typ}))
