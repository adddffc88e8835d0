"""Tokens of claims: JSON Web Tokens (RFC 7519), as narrow as an application needs them (RFC 8725)."""

from fastapi_kit._clock import SYSTEM_CLOCK, Clock
from fastapi_kit.auth import _claims
from fastapi_kit.auth._backends import BackendName, load_backend
from fastapi_kit.auth._claims import Claims, Rules
from fastapi_kit.auth._errors import InvalidTokenError
from fastapi_kit.auth._jws import Jws
from fastapi_kit.auth._keys import Key, KeyRing


class Codec:
    """Makes tokens of claims, and claims of tokens; immutable, safe to share, and without I/O.

    `decode(encode(claims)) == claims` as long as they hold, and no other text than that token gives these claims by
    that signature.

    Args:
        keys: The ring, or the one key of it.
        issuer: Written to `iss`, and asked of it.
        audience: Written to `aud`, and asked of it. Without one, a token for any audience is refused.
        typ: Written to the header, and asked of it (RFC 8725, section 3.11). Tokens without any are taken for `JWT`.
        clock: What tells the time.
        leeway: Seconds by which the clocks of several machines may differ; 0 asks for `exp` in the future and `iat`
            not in it, to the letter.
        max_bytes: Length of the longest token, in characters. Servers take about 8 kB for a header.
        backend: Who computes the signatures.

    Raises:
        ImportError: The backend is not installed.
        ValueError: The backend lacks the algorithm of a key.
    """

    def __init__(  # noqa: PLR0913 - what RFC 8725 says to fix in advance
        self,
        keys: KeyRing | Key,
        *,
        issuer: str | None = None,
        audience: str | None = None,
        typ: str = "JWT",
        clock: Clock = SYSTEM_CLOCK,
        leeway: float = 0,
        max_bytes: int = 8192,
        backend: BackendName = "python-jose",
    ) -> None:
        self.keys = keys if isinstance(keys, KeyRing) else KeyRing(keys)
        self.clock = clock
        self._rules = Rules(issuer, audience, leeway)
        self._typ = typ
        self._types = frozenset({typ.casefold()})
        self._jws = Jws(self.keys, load_backend(backend), max_bytes=max_bytes)

    def encode(self, claims: Claims) -> str:
        """The token of these claims.

        Raises:
            ValueError: `decode` would never accept it: a claim is empty or too long, a scope has a space in it, an
                extra claim has a reserved name or is no JSON, or the token would be too long.
        """
        try:
            payload = _claims.dump(claims, self._rules)
        except TypeError as error:
            raise ValueError("An extra claim is no JSON.") from error
        return self._jws.sign(payload, self._typ)

    def decode(self, token: str) -> Claims:
        """The claims of a token that is valid now.

        Takes microseconds, for what is no token, too, so that it needs no thread.

        Args:
            token: What a client sent, which may be anything.

        Raises:
            InvalidTokenError: It is not valid; nothing else is raised.
        """
        signed = self._jws.verify(token)
        check_type(signed.header.typ, self._types)
        return _claims.read(signed.payload, self._rules, self.clock.now().timestamp())


def check_type(typ: str | None, accepted: frozenset[str]) -> None:
    """See that a token is of a kind that is accepted; no kind at all stands for `JWT`.

    Raises:
        InvalidTokenError: It is of another.
    """
    named = "jwt" if typ is None else typ.casefold().removeprefix("application/")
    if named not in accepted:
        raise InvalidTokenError("type", "This is another kind of token.")
