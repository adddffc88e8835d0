"""Key pairs by `cryptography`, which both backends build on: reading, measuring, making them."""

import secrets
from typing import TypeAlias

from fastapi_kit.auth._algorithms import LEAST_RSA_BITS, Spec
from fastapi_kit.auth._roca import has_roca

try:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
except ImportError as error:  # pragma: no cover
    raise ImportError("fastapi_kit.auth needs cryptography: pip install 'fastapi-kit[auth]'") from error

PrivateKey: TypeAlias = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey
PublicKey: TypeAlias = rsa.RSAPublicKey | ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey

CURVES: dict[str, ec.EllipticCurve] = {"P-256": ec.SECP256R1(), "P-384": ec.SECP384R1(), "P-521": ec.SECP521R1()}
_NAMES = {curve.name: name for name, curve in CURVES.items()}
_PRIVATE = (rsa.RSAPrivateKey, ec.EllipticCurvePrivateKey, ed25519.Ed25519PrivateKey)
_PUBLIC = (rsa.RSAPublicKey, ec.EllipticCurvePublicKey, ed25519.Ed25519PublicKey)
_LARGEST_RSA_BITS = 8192
"""Beyond it one signature holds the event loop up for milliseconds."""


def load_pem(pem: bytes, password: bytes | None) -> PrivateKey | PublicKey:
    """The private or public key of a PEM text.

    Raises:
        ValueError: It has none of a kind that signs.
    """
    load = serialization.load_pem_private_key if b"PRIVATE KEY-----" in pem else None
    try:
        key = load(pem, password) if load else serialization.load_pem_public_key(pem)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise ValueError(f"The PEM text cannot be read as a private or public key: {type(error).__name__}.") from None
    if not isinstance(key, (*_PRIVATE, *_PUBLIC)):
        raise ValueError("The key of the PEM text is neither RSA, nor of a NIST curve, nor Ed25519.")  # noqa: TRY004
    return key


def generate(spec: Spec) -> bytes | PrivateKey:
    """A new key for an algorithm."""
    if spec.kty == "oct":
        return secrets.token_bytes(spec.hash_bytes)
    if spec.kty == "RSA":
        return rsa.generate_private_key(65537, 3072)
    if spec.kty == "OKP":
        return ed25519.Ed25519PrivateKey.generate()
    return ec.generate_private_key(CURVES[spec.curve or ""])


def unfit(key: PrivateKey | PublicKey, spec: Spec) -> str | None:
    """Why an algorithm does not take this key, to be read after its name; `None` if it does."""
    public = public_half(key)
    if isinstance(public, rsa.RSAPublicKey):
        if spec.kty != "RSA":
            return "takes no RSA key."
        if not LEAST_RSA_BITS <= public.key_size <= _LARGEST_RSA_BITS:
            return f"takes RSA keys of {LEAST_RSA_BITS} to {_LARGEST_RSA_BITS} bits, and this has {public.key_size}."
        if has_roca(public.public_numbers().n):
            return "takes no key that can be factored (ROCA, CVE-2017-15361): make a new one."
        return None
    found = curve_name(public)
    return None if found == spec.curve else f"takes {spec.curve or spec.kty}, not a key of the curve {found}."


def is_private(key: PrivateKey | PublicKey) -> bool:
    """Whether it can sign."""
    return isinstance(key, _PRIVATE)


def public_half(key: PrivateKey | PublicKey) -> PublicKey:
    """The key that verifies."""
    return key.public_key() if isinstance(key, _PRIVATE) else key


def curve_name(key: ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey) -> str:
    """The curve as RFC 7518 or RFC 8037 names it."""
    return "Ed25519" if isinstance(key, ed25519.Ed25519PublicKey) else _NAMES.get(key.curve.name, key.curve.name)


def modulus_bytes(key: PrivateKey | PublicKey) -> int:
    """Length of an RSA key's modulus, and so of its signatures."""
    public = public_half(key)
    assert isinstance(public, rsa.RSAPublicKey)  # noqa: S101 - for the type checker: the algorithm says so
    return (public.key_size + 7) // 8
