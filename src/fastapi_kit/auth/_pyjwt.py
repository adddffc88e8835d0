"""Signatures by PyJWT, through its algorithm classes only."""

from fastapi_kit.auth._backends import Sign, Verify
from fastapi_kit.auth._cryptography import public_half
from fastapi_kit.auth._keys import Key

try:
    from jwt.algorithms import get_default_algorithms
    from jwt.exceptions import PyJWTError
except ImportError as error:  # pragma: no cover
    raise ImportError("This backend needs PyJWT: pip install 'fastapi-kit[auth,pyjwt]'") from error


class PyJWT:
    """Every algorithm of the kit."""

    algorithms = frozenset(
        {*(f"{family}{bits}" for family in ("HS", "RS", "PS", "ES") for bits in (256, 384, 512)), "EdDSA"}
    )

    def signer(self, key: Key) -> Sign:
        """What makes signatures with `key`."""
        algorithm, material = get_default_algorithms()[key.algorithm], key.material
        return lambda message: algorithm.sign(message, material)

    def verifier(self, key: Key) -> Verify:
        """What checks signatures of `key`."""
        material = key.material if isinstance(key.material, bytes) else public_half(key.material)
        algorithm = get_default_algorithms()[key.algorithm]

        def verify(message: bytes, signature: bytes) -> bool:
            try:
                return algorithm.verify(message, material, signature) is True
            except (PyJWTError, ValueError, TypeError):
                return False

        return verify
