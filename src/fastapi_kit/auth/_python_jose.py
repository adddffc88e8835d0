"""Signatures by python-jose, through its key classes only.

`jose.jwt.decode` and `jose.jws.verify` read tokens leniently (docs/decisions/strict-front.md) and are never called.
"""

from typing import Any

from fastapi_kit.auth._backends import Sign, Verify
from fastapi_kit.auth._cryptography import public_half
from fastapi_kit.auth._keys import Key

try:
    from jose import jwk
    from jose.exceptions import JOSEError
except ImportError as error:  # pragma: no cover
    raise ImportError("This backend needs python-jose: pip install 'fastapi-kit[auth]'") from error

_construct: Any = jwk.construct  # takes keys of cryptography, too, whatever its stubs say


class PythonJose:
    """The HS, RS and ES families."""

    algorithms = frozenset(f"{family}{bits}" for family in ("HS", "RS", "ES") for bits in (256, 384, 512))

    def signer(self, key: Key) -> Sign:
        """What makes signatures with `key`."""
        sign: Sign = _construct(key.material, key.algorithm).sign
        return sign

    def verifier(self, key: Key) -> Verify:
        """What checks signatures of `key`."""
        material = key.material if isinstance(key.material, bytes) else public_half(key.material)
        check: Verify = _construct(material, key.algorithm).verify

        def verify(message: bytes, signature: bytes) -> bool:
            try:
                return check(message, signature) is True
            except (JOSEError, ValueError, TypeError):
                return False

        return verify
