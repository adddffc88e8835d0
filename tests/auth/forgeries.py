"""Texts that look more or less like tokens, for property tests."""

import json
from typing import Any

from hypothesis import strategies as st

from fastapi_kit.auth._base64url import encode
from fastapi_kit.auth._jws import Jws

_SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(),
    st.sampled_from(["HS256", "none", "RS256", "JWT", "kid", "", "9" * 40, -1, 0, 1e400, 2**63, 253_402_300_800]),
)
_VALUES = st.recursive(
    _SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4), max_leaves=8
)
_NAMES = st.sampled_from(
    ["alg", "typ", "kid", "crit", "jwk", "sub", "exp", "iat", "nbf", "jti", "scope", "aud", "iss", "auth_time"]
)
_OBJECTS = st.dictionaries(_NAMES | st.text(max_size=5), _VALUES, max_size=10)
_RAW = st.sampled_from(
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'{"alg":"HS256","alg":"none"}',
        b'{"exp":NaN}',
        b'{"exp":1e999,"iat":-Infinity}',
        b'{"a":' * 2000 + b"1" + b"}" * 2000,
        b"[" * 6000,
        b'{"sub":"\\ud800","exp":' + b"9" * 4400 + b"}",
        b'\xef\xbb\xbf{"alg":"HS256"}',
        b'{"alg":"HS256"}\xff',
        '{"alg":"HS256"}'.encode("utf-16"),
    ]
)


def _dumped(value: Any) -> bytes:
    return json.dumps(value).encode()


payloads = st.one_of(_OBJECTS.map(_dumped), _RAW, st.binary(max_size=60))
"""What could be in a token."""

_headers = st.one_of(
    st.sampled_from([{"alg": "HS256", "typ": "JWT"}, {"alg": "HS256"}, {"alg": "none"}]).map(_dumped), payloads
)
_parts = st.one_of(payloads.map(encode), st.text(max_size=20), st.text(alphabet="AZaz09-_=+/. ", max_size=20))

garbage = st.one_of(
    st.text(),
    st.binary(),
    st.none(),
    st.tuples(_headers.map(encode) | _parts, _parts, _parts).map(".".join),
    st.lists(_parts, max_size=6).map(".".join),
)
"""What a client could send, signed by nobody."""


def signed(jws: Jws) -> st.SearchStrategy[str]:
    """Tokens with the right signature over what could be in one."""
    return payloads.filter(lambda it: len(it) < 6000).map(jws.sign)
