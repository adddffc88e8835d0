"""Keys and rings: what is refused at construction, and what others may see of them."""

from typing import Any, cast

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from fastapi_kit.auth import Key, KeyRing, WeakKeyError
from fastapi_kit.auth._algorithms import SPECS, Algorithm
from fastapi_kit.auth._backends import load_backend

PAIRS: list[Algorithm] = ["RS256", "PS512", "ES256", "ES384", "ES512", "EdDSA"]


def pem_of(key: Key, password: bytes | None = None) -> bytes:
    """The private key as a PEM text."""
    encryption = BestAvailableEncryption(password) if password else NoEncryption()
    pem: bytes = cast("Any", key.material).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption)
    return pem


@pytest.mark.parametrize(("algorithm", "least"), [("HS256", 32), ("HS384", 48), ("HS512", 64)])
def test_a_secret_is_as_long_as_the_hash(algorithm: Algorithm, least: int) -> None:
    """One byte less is refused, and the message says how to make a good one."""
    assert Key.hmac("s" * least, algorithm).can_sign
    for short in ("", "s" * (least - 1)):
        with pytest.raises(WeakKeyError, match=rf"at least {least} bytes.*token_urlsafe\({least}\)"):
            Key.hmac(short, algorithm)


@pytest.mark.parametrize(
    "text", ["-----BEGIN PUBLIC KEY-----\n" + "A" * 60, "ssh-rsa " + "A" * 60, '{"kty":"RSA"' + " " * 40]
)
def test_the_text_of_another_key_is_no_secret(text: str) -> None:
    """A public key that is taken for a secret would let anybody sign."""
    with pytest.raises(WeakKeyError, match="from_pem or from_jwk"):
        Key.hmac(text)


@pytest.mark.parametrize("algorithm", SPECS)
def test_a_generated_key_signs_for_its_algorithm(algorithm: Algorithm) -> None:
    """Each algorithm has keys, and their signatures have the length that is said."""
    key, backend = Key.generate(algorithm), load_backend("pyjwt")
    signature = backend.signer(key)(b"message")
    assert len(signature) == key.signature_bytes
    assert backend.verifier(key)(b"message", signature)
    assert not backend.verifier(key)(b"another", signature)


@pytest.mark.parametrize("algorithm", PAIRS)
def test_a_pair_is_read_from_pem(algorithm: Algorithm) -> None:
    """The private and the public text give keys of one name, made of the public half."""
    key = Key.generate(algorithm)
    material = cast("Any", key.material)
    public = material.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    read = Key.from_pem(pem_of(key), algorithm=algorithm), Key.from_pem(public, algorithm=algorithm)
    assert [it.can_sign for it in read] == [True, False]
    assert {it.kid for it in read} == {key.kid}
    assert Key.from_pem(pem_of(key, b"p"), algorithm=algorithm, password=b"p").kid == key.kid


@pytest.mark.parametrize("algorithm", PAIRS)
def test_a_public_jwk_gives_the_same_key(algorithm: Algorithm) -> None:
    """What a set shows is enough to verify, and nothing of the private half is in it."""
    key = Key.generate(algorithm, kid="mine")
    jwk = key.public_jwk()
    assert jwk is not None
    assert not {"d", "p", "q", "dp", "dq", "qi", "k"} & jwk.keys()
    read = Key.from_jwk(jwk)
    assert (read.algorithm, read.kid, read.can_sign, read.public_jwk()) == (algorithm, "mine", False, jwk)


def test_a_thumbprint_is_that_of_the_rfc() -> None:
    """The name of a key without one is what RFC 7638, section 3.1, computes in its example."""
    n = (
        "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3okn"
        "jhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qM"
        "QvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJ"
        "zKnqDKgw"
    )
    key = Key.from_jwk({"kty": "RSA", "n": n, "e": "AQAB", "alg": "RS256"})
    assert key.kid == "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"


def test_a_weak_rsa_key_is_refused() -> None:
    """RSA below 2048 bits is refused however it is read."""
    weak = rsa.generate_private_key(65537, 1024)  # noqa: S505 - what is tested
    with pytest.raises(WeakKeyError, match="2048"):
        Key("RS256", None, weak)


@pytest.mark.parametrize(
    ("algorithm", "curve"),
    [("ES256", ec.SECP384R1()), ("ES512", ec.SECP256R1()), ("ES256", ec.SECP256K1()), ("EdDSA", ec.SECP256R1())],
)
def test_a_curve_is_of_one_algorithm(algorithm: Algorithm, curve: ec.EllipticCurve) -> None:
    """A key of another curve than the algorithm's is refused."""
    with pytest.raises(WeakKeyError, match="curve"):
        Key(algorithm, None, ec.generate_private_key(curve))


@pytest.mark.parametrize("algorithm", ["RS256", "ES256", "EdDSA"])
def test_a_secret_is_of_no_pair(algorithm: Algorithm) -> None:
    """Bytes are refused where a pair is needed, and a pair where bytes are."""
    with pytest.raises(WeakKeyError, match="key pair"):
        Key.hmac("s" * 64, algorithm)
    with pytest.raises(WeakKeyError, match="HS256"):
        Key("HS256", None, Key.generate(algorithm).material)


@pytest.mark.parametrize("pem", ["", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----", "text"])
def test_a_broken_pem_is_told(pem: str) -> None:
    """What cannot be read is a `ValueError` without a word of the text."""
    with pytest.raises(ValueError, match="cannot be read"):
        Key.from_pem(pem, algorithm="RS256")


EC_JWK = Key.generate("ES256").public_jwk() or {}


@pytest.mark.parametrize(
    "change",
    [
        {"alg": "ES384"},
        {"alg": "none"},
        {"alg": 1},
        {"crv": "P-384"},
        {"crv": "secp256k1"},
        {"kty": "RSA"},
        {"use": "enc"},
        {"key_ops": ["encrypt"]},
        {"key_ops": "verify"},
        pytest.param({"x": EC_JWK["x"] + "="}, id="x padded"),
        pytest.param({"x": "AA" + EC_JWK["x"][2:]}, id="x off the curve"),
        {"x": ""},
        {"x": 5},
        {"kid": ""},
        {"d": "AAAA"},
    ],
    ids=str,
)
def test_a_jwk_is_read_strictly(change: dict[str, Any]) -> None:
    """Whatever of a JWK is not as it should be makes it refused, and not by another error."""
    assert Key.from_jwk(EC_JWK).algorithm == "ES256"
    with pytest.raises(ValueError, match=r"."):
        Key.from_jwk({**EC_JWK, **change})


@pytest.mark.parametrize("member", ["kty", "x", "y", "crv"])
def test_a_jwk_lacks_nothing(member: str) -> None:
    """A missing member is told as such."""
    with pytest.raises(ValueError, match=r"."):
        Key.from_jwk({name: value for name, value in EC_JWK.items() if name != member})


def test_a_jwk_may_not_contradict_its_reader() -> None:
    """An algorithm that is asked for must be the JWK's, and must be named by one of the two."""
    with pytest.raises(ValueError, match="another algorithm"):
        Key.from_jwk(EC_JWK, algorithm="ES384")
    without = {name: value for name, value in (Key.generate("RS256").public_jwk() or {}).items() if name != "alg"}
    with pytest.raises(ValueError, match="names no algorithm"):
        Key.from_jwk(without)
    assert Key.from_jwk(without, algorithm="PS256").algorithm == "PS256"


def test_nothing_shows_a_secret() -> None:
    """Neither the text of a key nor that of its ring has the secret in it."""
    ring = KeyRing(Key.hmac("top-secret-" * 5))
    assert "top-secret" not in repr(ring) + str(ring) + repr(ring.signing)


def test_a_set_shows_public_keys_only() -> None:
    """Secrets have no place in a set, and pairs show their public half."""
    pair, old = Key.generate("ES256", kid="new"), Key.generate("RS256", kid="old")
    shown = KeyRing(pair, [old, Key.generate("HS256")]).jwks()["keys"]
    assert [jwk["kid"] for jwk in shown] == ["new", "old"]
    assert all(jwk["use"] == "sig" and "d" not in jwk and "k" not in jwk for jwk in shown)


def test_a_ring_refuses_what_cannot_work() -> None:
    """A public key cannot sign, a name is of one key, and a ring is not endless."""
    public = Key.from_jwk(EC_JWK)
    with pytest.raises(ValueError, match="private one"):
        KeyRing(public)
    with pytest.raises(ValueError, match="same kid"):
        KeyRing(None, [public, Key.from_jwk(EC_JWK)])
    with pytest.raises(ValueError, match="at most 32"):
        KeyRing(None, [Key.generate() for _ in range(33)])
