"""The codec: what it accepts, and why it refuses the rest."""

import json
import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from statistics import median
from typing import Any

import pytest

from fastapi_kit.auth import Claims, Codec, InvalidTokenError, Key, KeyRing
from fastapi_kit.auth._backends import BackendName, load_backend
from fastapi_kit.auth._base64url import encode
from fastapi_kit.auth._jws import Jws
from fastapi_kit.testing import FrozenClock

NOW = datetime(2026, 1, 1, tzinfo=UTC)
START = int(NOW.timestamp())
KEY = Key.hmac("k" * 32)
JWS = Jws(KeyRing(KEY), load_backend("python-jose"), max_bytes=8192)
GOOD: Mapping[str, Any] = {"sub": "7", "exp": START + 60, "iat": START, "jti": "a"}
WHOLE = json.dumps(GOOD).encode()


def codec(**options: Any) -> Codec:
    """A codec whose clock stands at `NOW`."""
    return Codec(options.pop("keys", KEY), clock=options.pop("clock", FrozenClock(NOW)), **options)


def claims(**changes: Any) -> Claims:
    """Claims that hold at `NOW`."""
    return Claims(**{**GOOD, **changes})


def reason_of(token: Any, **options: Any) -> str:
    """Why a token is refused."""
    with pytest.raises(InvalidTokenError) as caught:
        codec(**options).decode(token)
    assert len(str(token)) < 5 or str(token)[:20] not in str(caught.value)
    return caught.value.reason


def signed(**changes: Any) -> str:
    """A token with a right signature over these claims; `...` leaves one out."""
    members = {name: value for name, value in {**GOOD, **changes}.items() if value is not ...}
    return JWS.sign(json.dumps(members).encode())


def headed(header: Any, payload: Any = GOOD, key: Key = KEY) -> str:
    """A token with a right signature under this header."""
    raw = header if isinstance(header, bytes) else json.dumps(header).encode()
    message = f"{encode(raw)}.{encode(json.dumps(payload).encode())}"
    return f"{message}.{encode(load_backend('pyjwt').signer(key)(message.encode()))}"


@pytest.mark.parametrize("backend", ["python-jose", "pyjwt"])
@pytest.mark.parametrize("algorithm", ["HS256", "HS384", "HS512", "RS256", "RS384", "RS512", "ES256", "ES384", "ES512"])
def test_the_claims_of_a_token_are_those_it_was_made_of(algorithm: Any, backend: BackendName) -> None:
    """Every algorithm of both backends gives back what went in."""
    wanted = claims(scope=("read", "write"), auth_time=START - 5, extra={"roles": ["admin"], "tenant": {"id": 1}})
    own = codec(keys=Key.generate(algorithm), issuer="https://id.example", audience="api", backend=backend)
    assert own.decode(own.encode(wanted)) == wanted


@pytest.mark.parametrize("algorithm", ["PS256", "PS384", "PS512", "EdDSA"])
def test_some_algorithms_need_the_other_backend(algorithm: Any) -> None:
    """RSA-PSS and EdDSA work with PyJWT, and python-jose is refused with the name of the extra."""
    keys = Key.generate(algorithm)
    own = codec(keys=keys, backend="pyjwt")
    assert own.decode(own.encode(claims())) == claims()
    with pytest.raises(ValueError, match=r"fastapi-kit\[auth,pyjwt\]"):
        codec(keys=keys)


def test_a_token_is_what_others_read() -> None:
    """A token has the registered names of its claims, and a header that every library knows."""
    token = codec(keys=Key.hmac("k" * 32, kid="a"), issuer="i", audience="a").encode(claims(scope=("x", "y")))
    header, payload = (json.loads(JWS.verify(headed({"alg": "HS256"})).payload), token.split("."))
    assert header["sub"] == "7"
    import jwt  # noqa: PLC0415 - another reader

    assert jwt.get_unverified_header(token) == {"alg": "HS256", "kid": "a", "typ": "JWT"}
    read = jwt.decode(token, "k" * 32, ["HS256"], audience="a", issuer="i", options={"verify_exp": False})
    assert read == {**GOOD, "scope": "x y", "iss": "i", "aud": "a"}
    assert len(payload) == 3


@pytest.mark.parametrize(
    ("after", "leeway", "valid"), [(59.999, 0, True), (60, 0, False), (60, 5, True), (64.999, 5, True), (65, 5, False)]
)
def test_a_token_ends_at_the_second_that_it_names(after: float, leeway: float, valid: bool) -> None:
    """`exp` itself is too late (RFC 7519, section 4.1.4), but for the leeway."""
    clock = FrozenClock(NOW)
    clock.advance(after)
    if valid:
        assert codec(clock=clock, leeway=leeway).decode(signed()).sub == "7"
    else:
        assert reason_of(signed(), clock=clock, leeway=leeway) == "expired"


@pytest.mark.parametrize("claim", ["iat", "nbf"])
def test_a_token_of_the_future_is_refused(claim: str) -> None:
    """A token that is not yet issued or not yet valid is refused, but for the leeway."""
    assert codec().decode(signed(**{claim: START}))
    assert reason_of(signed(**{claim: START + 1})) == "not_yet_valid"
    assert codec(leeway=1).decode(signed(**{claim: START + 1}))


@pytest.mark.parametrize("claim", ["sub", "exp", "iat", "jti"])
@pytest.mark.parametrize("value", [..., None, "", [], {}, True, -1, 1.5, 10**18, "x" * 1001, ["a"]], ids=repr)
def test_required_claims_are_there_and_typed(claim: str, value: Any) -> None:
    """A claim that is missing, of another type or out of range is refused, whatever others would make of it."""
    assert reason_of(signed(**{claim: value})) == "claims"


@pytest.mark.parametrize(
    "changes",
    [
        {"nbf": "1"},
        {"nbf": None},
        {"auth_time": 1.0},
        {"scope": ["a"]},
        {"scope": "a  b"},
        {"scope": " a"},
        {"scope": None},
        {"x": "\0"},
        {"\ud800": 1},
        {"x": ["\udfff"]},
        {"x": [[[[[[[[[[1]]]]]]]]]]},
    ],
    ids=repr,
)
def test_other_claims_are_typed_and_harmless(changes: dict[str, Any]) -> None:
    """What a database could not store, or a walk not end, is refused, too."""
    assert reason_of(signed(**changes)) == "claims"


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"[]",
        b'"7"',
        b"{",
        b"null",
        WHOLE[:-1] + b',"sub":"2"}',
        WHOLE[:-1] + b',"x":{"y":1,"y":1}}',
        WHOLE[:-1] + b',"x":Infinity}',
        WHOLE[:-1] + b',"x":1e999}',
        WHOLE[:-1] + b',"x":-1e999}',
        WHOLE[:-1] + b',"x":NaN}',
        WHOLE[:-1] + b',"x":' + b'{"a":' * 900 + b"1" + b"}" * 901,
        WHOLE[:-1] + b',"x":' + b"9" * 5000 + b"}",
        WHOLE[:-1] + b',"x":"\xff"}',
        b"\xef\xbb\xbf" + WHOLE,
        WHOLE + b"x",
        WHOLE.decode().encode("utf-16"),
    ],
    ids=lambda it: repr(it[-20:]),
)
def test_a_payload_is_one_unambiguous_object(payload: bytes) -> None:
    """No JSON, no object, a name given twice, no number and depth are refused alike."""
    assert codec().decode(JWS.sign(WHOLE))
    assert reason_of(JWS.sign(payload)) == "claims"


@pytest.mark.parametrize(
    "header",
    [
        {"alg": "HS256", "crit": ["b64"], "b64": False},
        {"alg": "HS256", "crit": []},
        {"alg": "HS256", "jwk": {"kty": "oct", "k": "AAAA"}},
        {"alg": "HS256", "jku": "https://evil.example"},
        {"alg": "HS256", "x5u": "https://evil.example"},
        {"alg": "HS256", "x5c": []},
        {"alg": "HS256", "zip": "DEF"},
        {"alg": ["HS256"]},
        {"alg": None},
        {"alg": "HS256", "kid": 1},
        {"alg": "HS256", "kid": None},
        {"alg": "HS256", "typ": {}},
        {},
        [],
        b'{"alg":"none","alg":"HS256"}',
        b'{"alg":"HS256"',
        b"",
    ],
    ids=str,
)
def test_a_header_says_only_what_is_understood(header: Any) -> None:
    """What asks for more, brings a key along or is ambiguous is refused, with a right signature, too."""
    assert reason_of(headed(header)) == "header"


@pytest.mark.parametrize("alg", ["none", "None", "NONE", "", "hs256", "HS384", "RS256", "ES256", "EdDSA", "HS256 "])
def test_a_key_is_of_one_algorithm(alg: str) -> None:
    """Whatever algorithm a token names, a key is used with its own."""
    assert reason_of(headed({"alg": alg})) == "algorithm"
    unsigned = headed({"alg": alg}).rpartition(".")[0] + "."
    assert reason_of(unsigned) == "algorithm"


def test_a_public_key_is_no_secret() -> None:
    """The classic confusion: the public key of a pair, in any encoding, as an HMAC secret."""
    pair = Key.generate("RS256", kid="a")
    for text in (str(pair.public_jwk()), (pair.public_jwk() or {})["n"]):
        forged = headed({"alg": "HS256", "kid": "a"}, key=Key("HS256", None, text.encode()))
        assert reason_of(forged, keys=pair) == "algorithm"


@pytest.mark.parametrize(
    "token",
    [
        "",
        ".",
        "..",
        "...",
        "a.b",
        "a.b.c.d",
        "é.é.é",
        "a b.c.d",
        None,
        7,
        b"a.b.c",
        "x" * 8193,
        "e30=.e30.e30",
        "\ud800.a.b",
    ],
    ids=lambda it: repr(it)[:12],
)
def test_what_has_not_the_form_of_a_token_is_refused(token: Any) -> None:
    """Anything but three canonical parts within the limit is malformed."""
    assert reason_of(token) in {"malformed", "header"}


def test_a_token_has_a_longest_length() -> None:
    """The limit is of the token as a whole, and what is longer is refused before anything is read."""
    token = signed(x="y" * 500)
    assert codec(max_bytes=len(token)).decode(token)
    assert reason_of(token, max_bytes=len(token) - 1) == "malformed"


@pytest.mark.parametrize("change", ["{0}=", "{0}\n", " {0}", "Bearer {0}", "{0}.", "{0}A"])
def test_nothing_is_tidied_up(change: str) -> None:
    """A token with padding, space or more around it is another text, and no token."""
    assert reason_of(change.format(signed())) in {"malformed", "signature"}


@pytest.mark.parametrize(
    ("made", "asked", "reason"),
    [
        ({}, {"issuer": "i"}, "issuer"),
        ({"issuer": "j"}, {"issuer": "i"}, "issuer"),
        ({}, {"audience": "a"}, "audience"),
        ({"audience": "b"}, {"audience": "a"}, "audience"),
        ({"audience": "b"}, {}, "audience"),
        ({"typ": "at+jwt"}, {}, "type"),
        ({}, {"typ": "at+jwt"}, "type"),
    ],
)
def test_a_token_is_of_and_for_those_who_are_asked_for(
    made: dict[str, Any], asked: dict[str, Any], reason: str
) -> None:
    """Issuer, audience and kind must agree, and a token for somebody is not one for anybody."""
    assert reason_of(codec(**made).encode(claims()), **asked) == reason


def test_an_audience_may_be_one_of_several() -> None:
    """Of a list of audiences one must be ours."""
    assert codec(audience="a").decode(signed(aud=["b", "a"]))
    assert reason_of(signed(aud=["b"]), audience="a") == "audience"
    assert reason_of(signed(aud={"a": 1}), audience="a") == "audience"


def test_a_token_without_a_kind_is_taken_for_an_ordinary_one() -> None:
    """Tokens of libraries that write no `typ` are read, if no other kind is asked for."""
    assert codec().decode(headed({"alg": "HS256"})).sub == "7"
    assert reason_of(headed({"alg": "HS256"}), typ="at+jwt") == "type"
    assert codec(typ="at+jwt").decode(headed({"alg": "HS256", "typ": "application/AT+JWT"})).sub == "7"


def test_keys_rotate_without_a_gap() -> None:
    """Tokens of the old key are good while it is in the ring, and not after."""
    old, new = Key.generate("HS256", kid="old"), Key.generate("ES256", kid="new")
    token = codec(keys=old).encode(claims())
    assert codec(keys=KeyRing(old, [new])).decode(token)
    assert codec(keys=KeyRing(new, [old])).decode(token)
    assert codec(keys=KeyRing(old, [new])).decode(codec(keys=KeyRing(new, [old])).encode(claims()))
    assert reason_of(token, keys=new) == "key"


def test_secrets_without_names_rotate_too() -> None:
    """Tokens without `kid` are tried against each secret."""
    old, new = Key.generate(), Key.generate()
    token = codec(keys=old).encode(claims())
    assert codec(keys=KeyRing(new, [old])).decode(token)
    assert reason_of(token, keys=new) == "signature"


def test_a_named_token_is_of_the_key_of_that_name() -> None:
    """Another key of the ring does not stand in for the one that is named."""
    ring = KeyRing(Key.generate(kid="a"), [Key.generate(kid="b")])
    forged = headed({"alg": "HS256", "kid": "a"}, key=ring.verifying[0])
    assert reason_of(forged, keys=ring) == "signature"


@pytest.mark.parametrize(
    "changes",
    [
        {"sub": ""},
        {"sub": 7},
        {"exp": 1.5},
        {"exp": True},
        {"scope": ("a b",)},
        {"scope": ("",)},
        {"extra": {"exp": 1}},
        {"extra": {"x": float("nan")}},
        {"extra": {"x": ...}},
        {"extra": {"x": "\0"}},
        {"extra": {"x": "\ud800"}},
        {"extra": {"x": "y" * 9000}},
        {"extra": {1: 2}},
    ],
    ids=repr,
)
def test_nothing_is_issued_that_would_not_be_accepted(changes: dict[str, Any]) -> None:
    """What `decode` would refuse, `encode` refuses first, as a mistake of the program."""
    with pytest.raises(ValueError, match=r"."):
        codec().encode(claims(**changes))


def test_a_ring_that_only_verifies_does_not_sign() -> None:
    """A codec without a signing key says so."""
    with pytest.raises(ValueError, match="signing key"):
        codec(keys=KeyRing(None, [KEY])).encode(claims())


def test_issued_claims_have_a_random_name() -> None:
    """Each token has a `jti` of its own, and whole seconds."""
    made = [Claims.issue("7", now=NOW + timedelta(microseconds=999_999), lifetime=timedelta(minutes=1)) for _ in "ab"]
    assert made[0].jti != made[1].jti
    assert (made[0].iat, made[0].exp) == (START, START + 60)
    assert hash(made[0]) != hash(made[1])


GARBAGE = [
    "a" * 8192,
    "." * 8192,
    "a.b." + "c" * 8000,
    "A" * 4000 + "." + "A" * 4000 + ".AAAA",
    encode(b"[" * 6000) + ".e30.AAAA",
    encode(b'{"a":' * 1200) + ".e30.AAAA",
    encode(b'{"alg":' + b"9" * 4000 + b"}") + ".e30.AAAA",
    encode(b'{"alg":"' + b"\\ud800" * 900 + b'"}') + ".e30.AAAA",
]


@pytest.mark.parametrize("token", GARBAGE, ids=range(len(GARBAGE)))
def test_garbage_is_refused_in_less_than_a_millisecond(token: str) -> None:
    """What is largest and deepest costs no more, so that garbage is not a way to keep the server busy."""
    own, times = codec(), list[float]()
    for _ in range(30):
        started = time.thread_time()
        with pytest.raises(InvalidTokenError):
            own.decode(token)
        times.append(time.thread_time() - started)
    assert median(times) < 0.001


def test_an_unknown_backend_is_told() -> None:
    """A misspelt backend is named together with those there are."""
    with pytest.raises(ValueError, match='"python-jose" or "pyjwt"'):
        codec(backend="jose")
