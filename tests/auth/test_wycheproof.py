"""Verdicts on the vectors of Project Wycheproof (C2SP/wycheproof)."""

import pytest

from fastapi_kit.auth import InvalidTokenError, Key, KeyRing
from fastapi_kit.auth._algorithms import SPECS, Algorithm
from fastapi_kit.auth._backends import Backend, BackendName, load_backend
from fastapi_kit.auth._jwks import keys_of
from fastapi_kit.auth._jws import Jws
from tests.auth.vectors import Vector, vectors

WRONG_VERDICTS = {367, 370, 372, 373}
"""By the vectors' own mistake: 367 and 370 are the same token as 357, which is valid; the others, said to be valid,
have a question mark in their base64url."""
RFC_7520: dict[str, Algorithm] = {"Figure20": "PS384", "Figure27": "ES512"}
"""What RFC 7520, sections 4.2 and 4.3, sign with; the vectors' keys name another algorithm (PS256, ES521)."""


def accepts(vector: Vector, backend: Backend) -> bool:
    """Whether the token is verified by the one key, as the application that has it would."""
    (jwk,) = vector.keys
    if vector.group.startswith("rfc7520") and vector.comment in RFC_7520:
        jwk = {**jwk, "alg": RFC_7520[vector.comment]}
    try:
        Jws(KeyRing(None, [Key.from_jwk(jwk)]), backend, max_bytes=8192).verify(vector.token)
    except (InvalidTokenError, ValueError):
        return False
    return True


def accepts_in_set(vector: Vector, backend: Backend) -> bool:
    """Whether the token is verified by the keys of the set."""
    try:
        ring = KeyRing(None, keys_of({"keys": list(vector.keys)}, [it for it in SPECS if it in backend.algorithms]))
        Jws(ring, backend, max_bytes=8192).verify(vector.token)
    except (InvalidTokenError, ValueError):
        return False
    return True


def wrong_signatures(backend: BackendName) -> set[int]:
    """The numbers of the signature vectors that get another verdict than their own."""
    loaded = load_backend(backend)
    return {it.number for it in vectors("json_web_signature_test.json") if accepts(it, loaded) is not it.valid}


def test_every_signature_vector_gets_its_verdict_with_pyjwt() -> None:
    """397 of the 401 are right; the other four are mistakes of the vectors."""
    assert wrong_signatures("pyjwt") == WRONG_VERDICTS


def test_python_jose_lacks_only_the_valid_vectors_of_its_missing_algorithms() -> None:
    """381 of the 401 are right, and what is wrong besides is valid and signed by RSA-PSS."""
    pss = {
        it.number
        for it in vectors("json_web_signature_test.json")
        if it.valid and (it.group.startswith("ps") or it.comment == "Figure20")
    }
    assert len(pss) == 16
    assert wrong_signatures("python-jose") == WRONG_VERDICTS | pss


@pytest.mark.parametrize("backend", ["pyjwt", "python-jose"])
def test_every_key_vector_gets_its_verdict(backend: BackendName) -> None:
    """Weak, forbidden, ambiguous and broken keys verify nothing, and good ones do."""
    loaded = load_backend(backend)
    wrong = {it.number for it in vectors("json_web_key_test.json") if accepts_in_set(it, loaded) is not it.valid}
    assert not wrong


def test_the_backends_agree_on_every_vector_that_both_support() -> None:
    """Which of them computes makes no difference to a verdict."""
    jose, pyjwt = load_backend("python-jose"), load_backend("pyjwt")
    seen = 0
    for it in vectors("json_web_signature_test.json"):
        if it.group.startswith("ps") or it.comment == "Figure20":
            continue
        seen += 1
        assert accepts(it, jose) is accepts(it, pyjwt), it
    assert seen > 300
