"""Who computes signatures: a small protocol, and its implementations by name.

A backend sees bytes and keys, never a token: what a token may look like is decided before (`_jws`).
"""

from collections.abc import Callable
from typing import Literal, Protocol, TypeAlias

from fastapi_kit.auth._keys import Key

BackendName = Literal["python-jose", "pyjwt"]
Sign: TypeAlias = Callable[[bytes], bytes]
Verify: TypeAlias = Callable[[bytes, bytes], bool]


class Backend(Protocol):
    """Makes functions of keys, once for each."""

    algorithms: frozenset[str]

    def signer(self, key: Key) -> Sign:
        """What makes the signature of a message with a key that `can_sign`."""
        ...

    def verifier(self, key: Key) -> Verify:
        """What says whether a message has this signature; it never raises."""
        ...


def load_backend(name: BackendName) -> Backend:
    """The backend of this name; only now its package is imported.

    Raises:
        ImportError: It is not installed; the message names the extra.
        ValueError: There is none of this name.
    """
    if name == "python-jose":
        from fastapi_kit.auth._python_jose import PythonJose  # noqa: PLC0415 - one backend needs not the other

        return PythonJose()
    if name == "pyjwt":
        from fastapi_kit.auth._pyjwt import PyJWT  # noqa: PLC0415

        return PyJWT()
    raise ValueError(f'There is no backend {name!r}: take "python-jose" or "pyjwt".')
