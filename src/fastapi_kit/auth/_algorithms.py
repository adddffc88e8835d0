"""The signature algorithms of RFC 7518, section 3, and RFC 8037: what key each takes, and how long its signatures are.

`none` is not among them, and nothing makes it so.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, cast

Algorithm = Literal[
    "HS256", "HS384", "HS512",
    "RS256", "RS384", "RS512",
    "PS256", "PS384", "PS512",
    "ES256", "ES384", "ES512",
    "EdDSA",
]  # fmt: skip
KeyType = Literal["oct", "RSA", "EC", "OKP"]

LEAST_RSA_BITS = 2048
"""RFC 7518, sections 3.3 and 3.5."""


@dataclass(frozen=True, slots=True)
class Spec:
    """What one algorithm asks of its key.

    Args:
        kty: The type of the key, as RFC 7517 names it.
        hash_bytes: Length of the digest. A secret shorter than that is refused (RFC 7518, section 3.2).
        curve: The one curve of the algorithm, as RFC 7518 names it.
        coordinate_bytes: Length of a coordinate on that curve, half of a signature's.
    """

    kty: KeyType
    hash_bytes: int
    curve: str | None = None
    coordinate_bytes: int = 0


SPECS: Mapping[Algorithm, Spec] = {
    "HS256": Spec("oct", 32),
    "HS384": Spec("oct", 48),
    "HS512": Spec("oct", 64),
    "RS256": Spec("RSA", 32),
    "RS384": Spec("RSA", 48),
    "RS512": Spec("RSA", 64),
    "PS256": Spec("RSA", 32),
    "PS384": Spec("RSA", 48),
    "PS512": Spec("RSA", 64),
    "ES256": Spec("EC", 32, "P-256", 32),
    "ES384": Spec("EC", 48, "P-384", 48),
    "ES512": Spec("EC", 64, "P-521", 66),
    "EdDSA": Spec("OKP", 64, "Ed25519", 32),
}


def spec_of(algorithm: str) -> Spec:
    """The row of an algorithm.

    Raises:
        ValueError: There is none of this name.
    """
    spec = cast("Mapping[str, Spec]", SPECS).get(algorithm)
    if spec is None:
        raise ValueError(f"{algorithm!r} is no algorithm for signatures; take one of {', '.join(SPECS)}.")
    return spec
