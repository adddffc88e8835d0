"""Tokens of an outside issuer, such as Keycloak, Auth0, Entra ID or Google: its keys by OpenID Connect Discovery."""

from collections.abc import Awaitable, Callable, Collection
from typing import Any, TypeAlias
from urllib.parse import urlsplit

from fastapi_kit._clock import SYSTEM_CLOCK, Clock
from fastapi_kit.auth import _claims, _json
from fastapi_kit.auth._algorithms import Algorithm, spec_of
from fastapi_kit.auth._backends import BackendName, load_backend
from fastapi_kit.auth._claims import Claims, Rules
from fastapi_kit.auth._codec import check_type
from fastapi_kit.auth._errors import InvalidTokenError
from fastapi_kit.auth._jwks import keys_of
from fastapi_kit.auth._jws import Jws, Signed
from fastapi_kit.auth._keys import KeyRing
from fastapi_kit.auth._remote_keys import FetchError, KeyCache, RemoteKeys

Fetch: TypeAlias = Callable[[str], Awaitable[bytes]]

_TYPES = frozenset({"jwt", "at+jwt"})
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


class OutsideIssuer:
    """Verifies the tokens that another service issues for this one.

    The keys come from the issuer's discovery document and the set that it names, over https, and are kept; see
    `KeyCache` for how long and for what happens when the issuer cannot be reached. Make one for each issuer, and use it
    in one event loop.

    Args:
        issuer: What `iss` must be, to the letter, and where the discovery document is.
        audience: What `aud` must hold: the name that the issuer knows this service by. With `None` a token for any
            audience is refused.
        algorithms: Those that are accepted; secrets never are. RSA keys that name none are for the first RSA one.
        jwks_url: Where the keys are, if there is no discovery document.
        headers: Names that the headers of its tokens may have besides the usual.
        cache: How long keys are kept.
        leeway: Seconds by which its clock and ours may differ.
        fetch: What gets a document; by default httpx2, without redirects and up to 512 KiB. May raise `OSError`.
        clock: What tells the time.
        max_bytes: Length of the longest token, in characters.
        backend: Who computes the signatures.

    Raises:
        ImportError: httpx2 or the backend is not installed.
        ValueError: An address is not https (http is accepted on the machine itself), an algorithm is HMAC, or the
            backend lacks it.
    """

    def __init__(  # noqa: PLR0913 - what is agreed on with an issuer
        self,
        issuer: str,
        *,
        audience: str | None,
        algorithms: Collection[Algorithm] = ("RS256", "ES256"),
        jwks_url: str | None = None,
        headers: Collection[str] = (),
        cache: KeyCache | None = None,
        leeway: float = 10,
        fetch: Fetch | None = None,
        clock: Clock = SYSTEM_CLOCK,
        max_bytes: int = 8192,
        backend: BackendName = "python-jose",
    ) -> None:
        self.issuer = issuer
        self._rules = Rules(issuer, audience, leeway, outside=True)
        self._algorithms = tuple(algorithms)
        self._jwks_url = jwks_url
        self._headers = frozenset(headers)
        self._fetch = fetch or _httpx2_fetch()
        self._clock = clock
        self._max_bytes = max_bytes
        self._backend = load_backend(backend)
        self._check()
        self._keyless = self._jws(KeyRing(None))
        self._remote = RemoteKeys(issuer, self._load, cache or KeyCache(), clock)

    async def decode(self, token: str) -> Claims:
        """The claims of a token that is valid now; `jti` is a digest of the token if it has none.

        Waits only for keys that are not there yet, at most `KeyCache.timeout`.

        Args:
            token: What a client sent, which may be anything. What is no token by its form costs the issuer nothing.

        Raises:
            InvalidTokenError: It is not valid.
            IssuerUnavailableError: The issuer cannot be reached, and its keys are not known: a 503.
        """
        signed = await self._verify(token)
        check_type(signed.header.typ, _TYPES)
        return _claims.read(signed.payload, self._rules, self._clock.now().timestamp(), signed.digest)

    async def _verify(self, token: str) -> Signed:
        if self._remote.kept is None:
            self._check_form(token)
        jws = await self._remote.current()
        try:
            return jws.verify(token)
        except InvalidTokenError as error:
            newer = await self._remote.newer_than(jws) if error.reason == "key" else None
            if newer is None:
                raise
        return newer.verify(token)

    def _check_form(self, token: str) -> None:
        try:
            self._keyless.verify(token)
        except InvalidTokenError as error:
            if error.reason not in {"key", "algorithm"}:
                raise

    async def _load(self) -> Jws:
        document = await self._document(await self._where())
        try:
            ring = KeyRing(None, keys_of(document, self._algorithms))
        except ValueError as error:
            raise FetchError(str(error)) from error
        if not ring.keys:
            raise FetchError("none of its keys is of an algorithm that is accepted")
        return self._jws(ring)

    async def _where(self) -> str:
        if self._jwks_url is not None:
            return self._jwks_url
        document = await self._document(f"{self.issuer.rstrip('/')}/.well-known/openid-configuration")
        url = document.get("jwks_uri")
        if document.get("issuer") != self.issuer:  # OpenID Connect Discovery 1.0, section 4.3
            raise FetchError("the discovery document is of another issuer")
        if not isinstance(url, str) or not _is_safe(url):
            raise FetchError("the discovery document has no jwks_uri with https")
        return url

    async def _document(self, url: str) -> dict[str, Any]:
        try:
            return _json.parse_object(await self._fetch(url))
        except OSError as error:
            raise FetchError(f"{url}: {type(error).__name__}") from error
        except ValueError as error:
            raise FetchError(f"{url}: {error}") from error

    def _jws(self, ring: KeyRing) -> Jws:
        return Jws(ring, self._backend, max_bytes=self._max_bytes, headers=self._headers)

    def _check(self) -> None:
        for url in (self.issuer, self._jwks_url):
            if url is not None and not _is_safe(url):
                raise ValueError(f"{url!r} must begin with https://: who can change the keys can sign.")
        for algorithm in self._algorithms:
            if spec_of(algorithm).kty == "oct":
                raise ValueError(f"{algorithm} takes a shared secret, which an outside issuer does not publish.")
            if algorithm not in self._backend.algorithms:
                raise ValueError(f'{algorithm} needs backend="pyjwt" (pip install "fastapi-kit[auth,pyjwt]").')


def _httpx2_fetch() -> Fetch:
    from fastapi_kit.auth import _httpx2  # noqa: PLC0415 - who fetches otherwise needs it not

    return _httpx2.Fetch()


def _is_safe(url: str) -> bool:
    try:
        parts = urlsplit(url)
        host = parts.hostname
    except ValueError:
        return False
    return host is not None and (parts.scheme == "https" or (parts.scheme == "http" and host in _LOOPBACK))
