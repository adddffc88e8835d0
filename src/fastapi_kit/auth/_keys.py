"""Keys, each bound to one algorithm and parsed once, and rings of them.

A key that serves several algorithms is how tokens are forged: a public RSA key taken as an HMAC secret, a P-384 key
used where P-256 is meant. Here the algorithm is part of the key, so the header of a token can only agree or be refused
(RFC 8725, section 3.1).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from fastapi_kit.auth import _cryptography as asymmetric
from fastapi_kit.auth import _jwk
from fastapi_kit.auth._algorithms import Algorithm, spec_of

Material: TypeAlias = bytes | asymmetric.PrivateKey | asymmetric.PublicKey

_LONGEST_KID = 200
_MOST_KEYS = 32
"""In a ring; a token without `kid` is tried against each of its algorithm."""


class WeakKeyError(ValueError):
    """A key is too weak for its algorithm, or not of the kind that the algorithm takes; the message names the cure."""


@dataclass(frozen=True, slots=True, eq=False)
class Key:
    """A key of one algorithm; make it with `hmac`, `from_pem`, `from_jwk` or `generate`.

    Immutable and safe to share between threads. Its `repr` has nothing of the secret.

    Args:
        algorithm: The only algorithm it is used with.
        kid: The name that tokens call it by (RFC 7515, section 4.1.4).
        material: The secret, or the private or public key as `cryptography` has it.

    Raises:
        WeakKeyError: A secret shorter than the algorithm's hash (RFC 7518, section 3.2), an RSA key below 2048 bits,
            another curve or another type of key than the algorithm's.
        ValueError: There is no such algorithm, or the name is empty or longer than 200 characters.
    """

    algorithm: Algorithm
    kid: str | None
    material: Material = field(repr=False)

    def __post_init__(self) -> None:
        spec = spec_of(self.algorithm)
        if self.kid is not None and not (0 < len(self.kid) <= _LONGEST_KID and self.kid.isprintable()):
            raise ValueError(f"A kid has 1 to {_LONGEST_KID} printable characters.")
        if isinstance(self.material, bytes):
            _check_secret(self.material, self.algorithm)
        elif problem := asymmetric.unfit(self.material, spec):
            raise WeakKeyError(f"{self.algorithm} {problem}")

    @classmethod
    def hmac(cls, secret: str | bytes, algorithm: Algorithm = "HS256", kid: str | None = None) -> "Key":
        """A shared secret: who can verify with it can sign with it.

        Args:
            secret: At least as long as the hash: 32, 48 or 64 bytes. Text stands for its UTF-8.
            algorithm: HS256, HS384 or HS512.
            kid: The name of the key; tokens need none, as all secrets of the ring are tried where they have none.
        """
        raw = secret.encode() if isinstance(secret, str) else secret
        if raw.lstrip().startswith((b"-----BEGIN ", b"ssh-", b"{")):
            raise WeakKeyError(
                "This is the text of a key of another kind, and perhaps public: use from_pem or from_jwk."
            )
        return cls(algorithm, kid, raw)

    @classmethod
    def from_pem(
        cls, pem: str | bytes, *, algorithm: Algorithm, kid: str | None = None, password: bytes | None = None
    ) -> "Key":
        """A private or public key in PEM, such as `openssl genpkey` writes.

        Args:
            pem: The text; PKCS #8, PKCS #1 or SEC 1 if private, SubjectPublicKeyInfo if public.
            algorithm: Of the RS, PS and ES families, or EdDSA.
            kid: The name of the key; by default its thumbprint (RFC 7638).
            password: What a private key is encrypted with.

        Raises:
            ValueError: It cannot be read.
        """
        material = asymmetric.load_pem(pem.encode() if isinstance(pem, str) else pem, password)
        return cls._named(algorithm, kid, material)

    @classmethod
    def from_jwk(cls, jwk: Mapping[str, Any], *, algorithm: Algorithm | None = None, kid: str | None = None) -> "Key":
        """A private, public or secret key as a JSON Web Key (RFC 7517).

        Args:
            jwk: The members; `use` and `key_ops`, if there, must allow signatures.
            algorithm: That of the key, where the JWK names none; where it does, they must agree.
            kid: The name, if not that of the JWK.

        Raises:
            ValueError: It is malformed, for another use or algorithm, or names none and none is given.
        """
        found, material = _jwk.load(jwk, algorithm)
        return cls._named(found, kid or jwk.get("kid"), material)

    @classmethod
    def generate(cls, algorithm: Algorithm = "HS256", *, kid: str | None = None) -> "Key":
        """A new key, from the operating system's randomness; RSA keys take about a second."""
        spec = spec_of(algorithm)
        return cls._named(algorithm, kid, asymmetric.generate(spec))

    @classmethod
    def _named(cls, algorithm: Algorithm, kid: str | None, material: Material) -> "Key":
        if kid is None and not isinstance(material, bytes):
            kid = _jwk.thumbprint(material)
        return cls(algorithm, kid, material)

    @property
    def can_sign(self) -> bool:
        """Whether it is a secret or a private key."""
        return isinstance(self.material, bytes) or asymmetric.is_private(self.material)

    @property
    def signature_bytes(self) -> int:
        """Length of each of its signatures."""
        spec = spec_of(self.algorithm)
        if isinstance(self.material, bytes):
            return spec.hash_bytes
        return 2 * spec.coordinate_bytes or asymmetric.modulus_bytes(self.material)

    def public_jwk(self) -> dict[str, str] | None:
        """The public half for others to verify with; `None` of a secret, which has none."""
        if isinstance(self.material, bytes):
            return None
        named = {} if self.kid is None else {"kid": self.kid}
        return {**_jwk.dump_public(self.material), "alg": self.algorithm, "use": "sig", **named}


def _check_secret(secret: bytes, algorithm: Algorithm) -> None:
    spec = spec_of(algorithm)
    if spec.kty != "oct":
        raise WeakKeyError(f"{algorithm} takes a key pair, not a secret: use from_pem or generate.")
    if len(secret) < spec.hash_bytes:
        raise WeakKeyError(
            f"{algorithm} takes a secret of at least {spec.hash_bytes} bytes, and this has {len(secret)}. To make one: "
            f'python -c "import secrets; print(secrets.token_urlsafe({spec.hash_bytes}))".'
        )


@dataclass(frozen=True, slots=True, eq=False)
class KeyRing:
    """The key that signs, and further ones whose tokens are still accepted.

    To rotate without logging anybody out: add the new key to `verifying` everywhere, then make it `signing` and the
    old one `verifying`, and drop the old one when the longest-lived token has expired.

    Args:
        signing: The key of new tokens, whose own are accepted, too; `None` for a ring that only verifies.
        verifying: Keys whose tokens are accepted besides.

    Raises:
        ValueError: `signing` is a public key, two keys have the same `kid`, or there are more than 32.
    """

    signing: Key | None
    verifying: Sequence[Key] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "verifying", tuple(self.verifying))
        if self.signing is not None and not self.signing.can_sign:
            raise ValueError("The signing key is a public key, which can only verify: give the private one.")
        if len(self.keys) > _MOST_KEYS:
            raise ValueError(f"A ring holds at most {_MOST_KEYS} keys.")
        names = [key.kid for key in self.keys if key.kid is not None]
        if len(set(names)) != len(names):
            raise ValueError("Two keys of the ring have the same kid: give each a name of its own.")

    @property
    def keys(self) -> tuple[Key, ...]:
        """All keys whose tokens are accepted, the signing one first."""
        return (*(() if self.signing is None else (self.signing,)), *self.verifying)

    def jwks(self) -> dict[str, list[dict[str, str]]]:
        """The public keys as a JSON Web Key Set (RFC 7517, section 5); secrets are not in it."""
        return {"keys": [jwk for jwk in (key.public_jwk() for key in self.keys) if jwk is not None]}
