"""JSON Web Key Sets of others (RFC 7517, section 5): which of their keys are for us."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from typing import Any, cast

from fastapi_kit.auth._algorithms import SPECS, Algorithm
from fastapi_kit.auth._keys import Key


def keys_of(document: Mapping[str, Any], algorithms: Collection[Algorithm]) -> tuple[Key, ...]:
    """The keys of a set that sign by one of these algorithms.

    Sets hold keys for encryption, too, and of algorithms to come: what cannot be used is left out (section 5 asks for
    that). An RSA key that names no algorithm is taken for the first RSA one of `algorithms`.

    Raises:
        ValueError: It is no set; two of its keys have one `kid`; secrets and public keys are in it together, which
            only a mistake puts there.
    """
    found = document.get("keys")
    if not isinstance(found, list):
        raise ValueError("This is no JSON Web Key Set.")  # noqa: TRY004 - of a document, not of a type in code
    jwks = [cast("Mapping[str, Any]", jwk) for jwk in cast("Sequence[object]", found) if isinstance(jwk, Mapping)]
    if len({jwk.get("kty") == "oct" for jwk in jwks}) > 1:
        raise ValueError("The set holds secrets and public keys together.")
    if any(count > 1 for kid, count in Counter(repr(jwk.get("kid")) for jwk in jwks).items() if kid != "None"):
        raise ValueError("Two keys of the set have the same kid.")
    return tuple(key for jwk in jwks if (key := _usable(jwk, algorithms)) is not None)


def _usable(jwk: Mapping[str, Any], algorithms: Collection[Algorithm]) -> Key | None:
    rsa: Algorithm | None = next((it for it in algorithms if SPECS[it].kty == "RSA"), None)
    try:
        key = Key.from_jwk(jwk, algorithm=rsa if jwk.get("kty") == "RSA" and "alg" not in jwk else None)
    except ValueError:
        return None
    return key if key.algorithm in algorithms else None
