"""The law of tokens: what was made is read back, all else is refused in one way, whatever it is.

`FUZZ_EXAMPLES=200000` makes a thorough run: so many inputs of each kind, other ones each time. Without it there are
few, and always the same.
"""

import os
import string
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from fastapi_kit.auth import Claims, Codec, InvalidTokenError, Key
from fastapi_kit.auth._backends import BackendName, load_backend
from fastapi_kit.auth._claims import RESERVED
from fastapi_kit.auth._jws import Jws
from fastapi_kit.testing import FrozenClock
from tests.auth.forgeries import garbage, signed

THOROUGH = "FUZZ_EXAMPLES" in os.environ
fuzz = settings(
    max_examples=int(os.environ.get("FUZZ_EXAMPLES", "200")),
    derandomize=not THOROUGH,
    database=None,
    deadline=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
)

NOW = datetime(2026, 1, 1, tzinfo=UTC)
CODECS = {
    name: Codec(Key.hmac("k" * 32), issuer="https://id.example", audience="api", clock=FrozenClock(NOW), backend=name)
    for name in ("python-jose", "pyjwt")
}
RING = CODECS["pyjwt"].keys
SIGNER = Jws(RING, load_backend("pyjwt"), max_bytes=8192)
backends = st.sampled_from(sorted(CODECS))

_texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)
_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | _texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_texts, inner, max_size=3),
    max_leaves=5,
)
_seconds = st.integers(0, 10**6)
_START = int(NOW.timestamp())
claims = st.builds(
    Claims,
    sub=_texts.filter(bool),
    exp=_seconds.map(lambda seconds: _START + 1 + seconds),
    iat=_seconds.map(lambda seconds: _START - seconds),
    jti=_texts.filter(bool),
    scope=st.lists(st.text(string.ascii_letters + ":.", min_size=1, max_size=9), max_size=4).map(tuple),
    nbf=st.none() | st.integers(0, _START),
    auth_time=st.none() | _seconds,
    extra=st.dictionaries(_texts.filter(lambda name: name not in RESERVED), _json, max_size=4),
)


@fuzz
@given(backend=backends, other=backends, wanted=claims)
def test_what_was_encoded_is_decoded(backend: BackendName, other: BackendName, wanted: Claims) -> None:
    """A token gives back the claims that it was made of, whichever backend made it and whichever reads it."""
    assert CODECS[other].decode(CODECS[backend].encode(wanted)) == wanted


@fuzz
@given(backend=backends, token=garbage)
def test_garbage_is_refused_in_one_way(backend: BackendName, token: object) -> None:
    """What nobody signed raises the one documented exception, whatever it is."""
    with pytest.raises(InvalidTokenError):
        CODECS[backend].decode(token)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


@fuzz
@given(backend=backends, token=signed(SIGNER))
def test_a_signed_payload_is_read_or_refused_in_one_way(backend: BackendName, token: str) -> None:
    """What has a right signature, but may say anything, gives typed claims or the one documented exception."""
    try:
        found = CODECS[backend].decode(token)
    except InvalidTokenError:
        return
    assert CODECS[backend].decode(CODECS[backend].encode(found)) == found


TOKEN = CODECS["pyjwt"].encode(Claims.issue("7", now=NOW, lifetime=timedelta(minutes=5), scope=["read"]))


@fuzz
@given(
    backend=backends,
    at=st.integers(0, len(TOKEN) - 1),
    cut=st.integers(0, 2),
    put=st.text(max_size=2) | st.text(alphabet=TOKEN, max_size=2),
)
def test_a_changed_token_is_refused(backend: BackendName, at: int, cut: int, put: str) -> None:
    """Whatever is put in, taken out or exchanged anywhere, no other text is valid."""
    changed = TOKEN[:at] + put + TOKEN[at + cut :]
    assume(changed != TOKEN)
    with pytest.raises(InvalidTokenError):
        CODECS[backend].decode(changed)


@pytest.mark.parametrize("backend", sorted(CODECS))
def test_no_single_letter_can_be_changed(backend: BackendName) -> None:
    """Each letter of the token matters, the last of each part, too, whose lowest bits say nothing."""
    for at in range(len(TOKEN)):
        for letter in string.ascii_letters + string.digits + "-_.=+/ ":
            changed = TOKEN[:at] + letter + TOKEN[at + 1 :]
            if changed != TOKEN:
                with pytest.raises(InvalidTokenError):
                    CODECS[backend].decode(changed)
