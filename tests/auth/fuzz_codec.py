"""`python -m tests.auth.fuzz_codec -runs=200000`: a fuzzer led by coverage, with atheris, which is to be installed.

Each input is a token as it is, and the payload of one whose signature holds. It ends at the first error that is not
`InvalidTokenError`.
"""

import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import atheris  # pyright: ignore[reportMissingModuleSource] -- built for few platforms, so no dependency

with atheris.instrument_imports(  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType] -- the stubs lack it
    include=["fastapi_kit", "jose", "jwt"]
):
    from fastapi_kit.auth import Claims, Codec, InvalidTokenError, Key
    from fastapi_kit.auth._backends import load_backend
    from fastapi_kit.auth._jws import Jws
    from fastapi_kit.testing import FrozenClock

NOW = datetime(2026, 1, 1, tzinfo=UTC)
CODECS = [Codec(Key.hmac("k" * 32), clock=FrozenClock(NOW), backend=name) for name in ("python-jose", "pyjwt")]
SIGNER = Jws(CODECS[0].keys, load_backend("pyjwt"), max_bytes=8192)


def accepts(data: bytes) -> None:
    """Decode what these bytes make."""
    for token in (data.decode("latin-1"), SIGNER.sign(data[:4000])):
        for codec in CODECS:
            try:
                codec.decode(token)
            except InvalidTokenError:
                continue


def seed(corpus: Path) -> None:
    """Begin with a token that is accepted, and with its payload."""
    claims = Claims.issue("42", now=NOW, lifetime=timedelta(minutes=15), scope=("books:read",))
    token = CODECS[0].encode(claims)
    (corpus / "token").write_text(token)
    (corpus / "payload").write_bytes(SIGNER.verify(token).payload)


if __name__ == "__main__":
    with TemporaryDirectory() as directory:
        seed(Path(directory))
        atheris.Setup([*sys.argv, directory], accepts)
        atheris.Fuzz()
