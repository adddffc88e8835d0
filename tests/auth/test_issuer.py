"""Tokens of an outside issuer, on a server that runs."""

import asyncio
import json
import time
from collections.abc import AsyncGenerator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from fastapi_kit.auth import (
    Claims,
    Codec,
    InvalidTokenError,
    IssuerUnavailableError,
    Key,
    KeyCache,
    KeyRing,
    OutsideIssuer,
)
from fastapi_kit.testing import FrozenClock
from tests.auth.outside import DISCOVERY, KEYS, MOVED, Issuer, running

pytestmark = pytest.mark.anyio

CACHE = KeyCache(timeout=0.5)


@pytest.fixture
async def issuer() -> AsyncGenerator[Issuer]:
    """An issuer that answers."""
    async with running(Issuer()) as issuer:
        yield issuer


def verifier(issuer: Issuer, clock: FrozenClock | None = None, **options: Any) -> OutsideIssuer:
    """What verifies its tokens."""
    clock = clock or FrozenClock(datetime.now(UTC))
    return OutsideIssuer(issuer.url, audience="api", cache=options.pop("cache", CACHE), clock=clock, **options)


async def reason_of(outside: OutsideIssuer, token: str) -> str:
    """Why a token is refused."""
    with pytest.raises(InvalidTokenError) as caught:
        await outside.decode(token)
    return caught.value.reason


async def test_a_token_is_verified_with_the_keys_of_its_issuer(issuer: Issuer) -> None:
    """The claims of a token are had after one look at the discovery document and the keys, and the next needs none."""
    outside = verifier(issuer)
    for sub in ("7", "8"):
        claims = await outside.decode(issuer.token(sub))
        assert (claims.sub, claims.scope) == (sub, ("read",))
    assert issuer.asked == {DISCOVERY: 1, KEYS: 1}


async def test_a_hundred_first_requests_fetch_once(issuer: Issuer) -> None:
    """Whoever asks while keys are fetched waits for that fetch."""
    outside, token = verifier(issuer), issuer.token()
    await asyncio.gather(*(outside.decode(token) for _ in range(100)))
    assert issuer.asked == {DISCOVERY: 1, KEYS: 1}


async def test_who_gives_up_does_not_end_the_fetch_of_others(issuer: Issuer) -> None:
    """A request that is cancelled leaves the fetch to those who wait for it, too."""
    outside, token = verifier(issuer), issuer.token()
    first, second = (asyncio.create_task(outside.decode(token)) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    assert (await second).sub == "7"
    assert issuer.asked[KEYS] == 1


async def test_a_new_key_is_found_by_its_name(issuer: Issuer) -> None:
    """A token of a key that came after the keys were fetched is accepted, once the pause is over."""
    clock = FrozenClock(datetime.now(UTC))
    outside = verifier(issuer, clock)
    await outside.decode(issuer.token())
    issuer.keys.append(Key.generate("ES256", kid="second"))
    clock.advance(CACHE.pause)
    assert (await outside.decode(issuer.token(key=issuer.keys[1]))).sub == "7"
    assert issuer.asked[KEYS] == 2


async def test_invented_key_names_do_not_flood_the_issuer(issuer: Issuer) -> None:
    """However many unknown keys are named, the issuer is asked once in a pause."""
    clock = FrozenClock(datetime.now(UTC))
    outside = verifier(issuer, clock)
    await outside.decode(issuer.token())
    for number in range(50):
        token = issuer.token(key=Key.generate("ES256", kid=f"invented {number}"))
        assert await reason_of(outside, token) == "key"
    clock.advance(CACHE.pause)
    for number in range(50):
        assert await reason_of(outside, issuer.token(key=Key.generate("ES256", kid=f"other {number}"))) == "key"
    assert issuer.asked[KEYS] == 2


@pytest.mark.parametrize("token", ["", "a.b.c", "x" * 9000, "e30.e30.e30"])
async def test_what_is_no_token_does_not_reach_the_issuer(issuer: Issuer, token: str) -> None:
    """Garbage is refused by its form, before anything is fetched."""
    assert await reason_of(verifier(issuer), token) in {"malformed", "header"}
    assert not issuer.asked


async def test_an_issuer_that_hangs_costs_its_timeout_once(issuer: Issuer) -> None:
    """Without keys the answer is 503 within the timeout, and at once for the rest of the pause; then it recovers."""
    clock = FrozenClock(datetime.now(UTC))
    outside, token = verifier(issuer, clock), issuer.token()
    issuer.hangs = True
    started = time.monotonic()
    with pytest.raises(IssuerUnavailableError) as caught:
        await outside.decode(token)
    assert time.monotonic() - started < CACHE.timeout + 0.5
    assert (caught.value.status, caught.value.headers) == (503, {"Retry-After": "30"})
    started = time.monotonic()
    with pytest.raises(IssuerUnavailableError):
        await outside.decode(token)
    assert time.monotonic() - started < 0.1
    issuer.hangs = False
    clock.advance(CACHE.pause)
    assert (await outside.decode(token)).sub == "7"


async def test_kept_keys_outlive_an_issuer_for_a_while() -> None:
    """While the issuer is gone its kept keys verify, in the end they do not, and an unknown one is a 401 meanwhile."""
    clock = FrozenClock(datetime.now(UTC))
    async with running(Issuer()) as issuer:
        outside = verifier(issuer, clock, leeway=10**6)
        await outside.decode(issuer.token())
    clock.advance(CACHE.ttl)
    token = issuer.token()
    for _ in range(3):
        assert (await outside.decode(token)).sub == "7"
        await asyncio.sleep(0.05)
        assert await reason_of(outside, issuer.token(key=Key.generate("ES256"))) == "key"
        clock.advance(CACHE.pause)
    clock.advance(CACHE.stale)
    with pytest.raises(IssuerUnavailableError):
        await outside.decode(token)


async def test_old_keys_are_renewed_in_the_background(issuer: Issuer) -> None:
    """A request that finds keys past their time does not wait, and a withdrawn key is gone soon after."""
    clock = FrozenClock(datetime.now(UTC))
    outside = verifier(issuer, clock, leeway=10**5)
    withdrawn = issuer.token()
    await outside.decode(withdrawn)
    issuer.keys[:] = [Key.generate("ES256", kid="second")]
    clock.advance(CACHE.ttl)
    await outside.decode(withdrawn)
    for _ in range(100):
        await asyncio.sleep(0.01)
        if issuer.asked[KEYS] == 2:
            break
    await asyncio.sleep(0.05)
    assert await reason_of(outside, withdrawn) == "key"


@pytest.mark.parametrize(
    ("path", "document"),
    [
        (DISCOVERY, {"issuer": "https://another.example"}),
        (DISCOVERY, {"jwks_uri": "http://example.com/keys"}),
        (DISCOVERY, {"jwks_uri": "file:///etc/passwd"}),
        (DISCOVERY, {"jwks_uri": None}),
        (DISCOVERY, b"<html>"),
        (KEYS, b'{"keys":' + b"[" * 1000),
        (KEYS, {"keys": []}),
        (KEYS, {"keys": [1, None, {}, {"kty": "EC", "crv": "P-256", "x": 1}]}),
        (KEYS, b"[]"),
    ],
)
async def test_a_document_that_is_not_right_gives_no_keys(issuer: Issuer, path: str, document: Any) -> None:
    """A wrong issuer, an unsafe address, no keys, no JSON or too much of it are as if the issuer were not there."""
    if path == DISCOVERY and document != b"<html>":
        document = {"issuer": issuer.url, "jwks_uri": f"{issuer.url}{KEYS}", **document}
    issuer.documents[path] = document
    with pytest.raises(IssuerUnavailableError):
        await verifier(issuer).decode(issuer.token())


@pytest.mark.parametrize("status", [301, 302, 404, 500])
async def test_only_a_200_is_a_document(issuer: Issuer, status: int) -> None:
    """Redirects are not followed, though they lead to the keys, and errors have no keys in them."""
    issuer.status = status
    with pytest.raises(IssuerUnavailableError):
        await verifier(issuer, jwks_url=f"{issuer.url}{KEYS}").decode(issuer.token())
    assert not issuer.asked[MOVED]


@pytest.mark.parametrize(("padding", "taken"), [(400_000, True), (600_000, False)])
async def test_a_document_has_a_largest_size(issuer: Issuer, padding: int, taken: bool) -> None:
    """Right keys in 512 KiB are taken, and in more they are not."""
    issuer.documents[KEYS] = json.dumps(KeyRing(None, issuer.keys).jwks()).encode() + b" " * padding
    if taken:
        assert (await verifier(issuer).decode(issuer.token())).sub == "7"
    else:
        with pytest.raises(IssuerUnavailableError):
            await verifier(issuer).decode(issuer.token())


async def test_keys_for_other_uses_are_left_out(issuer: Issuer) -> None:
    """Keys for encryption, of unknown kinds and of algorithms that are not accepted do not hinder the others."""
    usable = KeyRing(None, issuer.keys).jwks()["keys"]
    encryption = {**KeyRing(None, [Key.generate("ES256", kid="enc")]).jwks()["keys"][0], "use": "enc"}
    other = KeyRing(None, [Key.generate("ES384", kid="other")]).jwks()["keys"]
    issuer.documents[KEYS] = {"keys": [encryption, *other, {"kty": "AKP", "alg": "ML-DSA-44"}, *usable]}
    assert (await verifier(issuer).decode(issuer.token())).sub == "7"


async def test_a_public_key_is_no_secret(issuer: Issuer) -> None:
    """A token that is signed with the text of the issuer's public key as a secret is refused."""
    forged = Key("HS256", issuer.keys[0].kid, str(issuer.keys[0].public_jwk()).encode())
    assert await reason_of(verifier(issuer), issuer.token(key=forged)) == "algorithm"


@pytest.mark.parametrize(
    ("options", "reason"), [({"issuer": "https://another.example"}, "issuer"), ({"aud": "another"}, "audience")]
)
async def test_tokens_of_or_for_others_are_refused(issuer: Issuer, options: dict[str, str], reason: str) -> None:
    """The right key is not enough: the token must be of this issuer and for this service."""
    assert await reason_of(verifier(issuer), issuer.token(**options)) == reason  # type: ignore[arg-type]


async def test_a_token_without_jti_has_one_of_its_own(issuer: Issuer) -> None:
    """Tokens that have no name are told apart all the same, and the name of each is always the same."""
    codec = Codec(issuer.keys[0], issuer=issuer.url, audience="api")
    now = datetime.now(UTC)
    payloads = [
        f'{{"iss":"{issuer.url}","aud":["x","api"],"sub":"{sub}","iat":{int(now.timestamp())},'
        f'"exp":{int((now + timedelta(hours=1)).timestamp())},"scp":["a","b"]}}'
        for sub in (1, 2)
    ]
    outside = verifier(issuer)
    tokens = [codec._jws.sign(payload.encode()) for payload in payloads]  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]
    first, second = [await outside.decode(token) for token in tokens]
    assert first.jti != second.jti
    assert (await outside.decode(tokens[0])).jti == first.jti
    assert first.scope == ("a", "b")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"issuer": "http://id.example"}, "https"),
        ({"issuer": "id.example"}, "https"),
        ({"issuer": "https://id.example", "jwks_url": "http://id.example/keys"}, "https"),
        ({"issuer": "https://id.example", "algorithms": ["HS256"]}, "shared secret"),
        ({"issuer": "https://id.example", "algorithms": ["EdDSA"]}, "pyjwt"),
    ],
)
def test_what_cannot_be_safe_is_refused_at_construction(options: dict[str, Any], message: str) -> None:
    """An issuer over http, a shared secret and a missing algorithm are told at once."""
    with pytest.raises(ValueError, match=message):
        OutsideIssuer(audience=None, **options)


def test_claims_of_outside_are_ordinary_claims() -> None:
    """What the two decoders give is of one type."""
    assert OutsideIssuer.decode.__annotations__["return"] is Claims
