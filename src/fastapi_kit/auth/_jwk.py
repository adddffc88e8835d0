"""JSON Web Keys (RFC 7517, members by RFC 7518, section 6, and RFC 8037): read strictly, written only in public."""

from collections.abc import Mapping
from hashlib import sha256
from typing import Any, cast

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from fastapi_kit.auth import _base64url, _json
from fastapi_kit.auth._algorithms import SPECS, Algorithm, spec_of
from fastapi_kit.auth._cryptography import CURVES, PrivateKey, PublicKey, curve_name, public_half

_BY_CURVE: Mapping[str, str] = {spec.curve: name for name, spec in SPECS.items() if spec.curve is not None}
_THUMBPRINT = ("crv", "e", "kty", "n", "x", "y")
"""The required members in the order of RFC 7638, section 3.2."""


def load(jwk: Mapping[str, Any], algorithm: Algorithm | None) -> tuple[Algorithm, bytes | PrivateKey | PublicKey]:
    """The algorithm and the key that a JWK stands for.

    Raises:
        ValueError: It is malformed, for another use or algorithm, or names no algorithm and none is given.
    """
    members = {name: value for name, value in jwk.items() if isinstance(value, str)}
    _check_use(jwk)
    named = jwk.get("alg", algorithm) or _BY_CURVE.get(members.get("crv", ""))
    if named is None:
        raise ValueError("The JWK names no algorithm: give it as `algorithm`.")
    if algorithm not in {None, named} or not isinstance(named, str):
        raise ValueError("The JWK is for another algorithm.")
    kty = spec_of(named).kty
    if members.get("kty") != kty:
        raise ValueError(f"{named} takes a JWK of the type {kty}.")
    read = {"oct": _octets, "RSA": _rsa, "EC": _ec, "OKP": _okp}[kty]
    try:
        return cast("Algorithm", named), read(members)
    except KeyError as missing:
        raise ValueError(f"The JWK lacks {missing}.") from None


def dump_public(key: PrivateKey | PublicKey) -> dict[str, str]:
    """The members of the public half."""
    public = public_half(key)
    if isinstance(public, rsa.RSAPublicKey):
        numbers = public.public_numbers()
        return {"kty": "RSA", "n": _dump_number(numbers.n), "e": _dump_number(numbers.e)}
    if isinstance(public, ed25519.Ed25519PublicKey):
        raw = public.public_bytes(Encoding.Raw, PublicFormat.Raw)
        return {"kty": "OKP", "crv": "Ed25519", "x": _base64url.encode(raw)}
    point, size = public.public_numbers(), (public.key_size + 7) // 8
    coordinates = {"x": _dump_number(point.x, size), "y": _dump_number(point.y, size)}
    return {"kty": "EC", "crv": curve_name(public), **coordinates}


def thumbprint(key: PrivateKey | PublicKey) -> str:
    """A name made of the public key alone (RFC 7638)."""
    members = dump_public(key)
    ordered = {name: members[name] for name in _THUMBPRINT if name in members}
    return _base64url.encode(sha256(_json.dump_object(ordered)).digest())


def _check_use(jwk: Mapping[str, Any]) -> None:
    operations = jwk.get("key_ops", ["verify"])
    if jwk.get("use", "sig") != "sig" or not isinstance(operations, list):
        raise ValueError("The JWK is not for signatures.")
    if not {"sign", "verify"} & {it for it in cast("list[object]", operations) if isinstance(it, str)}:
        raise ValueError("The JWK is not for signatures.")


def _octets(members: Mapping[str, str]) -> bytes:
    return _base64url.decode(members["k"])


def _rsa(members: Mapping[str, str]) -> PrivateKey | PublicKey:
    public = rsa.RSAPublicNumbers(_number(members["e"]), _number(members["n"]))
    if "d" not in members:
        return public.public_key()
    d = _number(members["d"])
    if "p" in members:
        p, q, dp, dq, qi = (_number(members[name]) for name in ("p", "q", "dp", "dq", "qi"))
    else:
        p, q = rsa.rsa_recover_prime_factors(public.n, public.e, d)
        dp, dq, qi = rsa.rsa_crt_dmp1(d, p), rsa.rsa_crt_dmq1(d, q), rsa.rsa_crt_iqmp(p, q)
    return rsa.RSAPrivateNumbers(p, q, d, dp, dq, qi, public).private_key()


def _ec(members: Mapping[str, str]) -> PrivateKey | PublicKey:
    curve = CURVES.get(members["crv"])
    if curve is None:
        raise ValueError("The JWK is of a curve that no algorithm takes.")
    size = (curve.key_size + 7) // 8
    x, y = _number(members["x"], size), _number(members["y"], size)
    public = ec.EllipticCurvePublicNumbers(x, y, curve)
    if "d" not in members:
        return public.public_key()
    return ec.EllipticCurvePrivateNumbers(_number(members["d"], size), public).private_key()


def _okp(members: Mapping[str, str]) -> PrivateKey | PublicKey:
    public = ed25519.Ed25519PublicKey.from_public_bytes(_base64url.decode(members["x"]))
    if members["crv"] != "Ed25519":
        raise ValueError("The JWK is of a curve that no algorithm takes.")
    if "d" not in members:
        return public
    private = ed25519.Ed25519PrivateKey.from_private_bytes(_base64url.decode(members["d"]))
    if private.public_key() != public:
        raise ValueError("The halves of the JWK do not belong together.")
    return private


def _number(text: str, size: int | None = None) -> int:
    raw = _base64url.decode(text)
    if not raw or (size is not None and len(raw) != size):
        raise ValueError("A number of the JWK has another length than its curve's.")
    return int.from_bytes(raw, "big")


def _dump_number(number: int, size: int | None = None) -> str:
    return _base64url.encode(number.to_bytes(size or (number.bit_length() + 7) // 8, "big"))
