"""Verifying a token: ours by each backend, beside python-jose and PyJWT as tutorials call them."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import jwt as pyjwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from jose import jwt as jose

from benchmarks._measure import Sample, frozen_heap, interleave
from benchmarks._mode import Mode, Say
from benchmarks._report import Goal, Goals, Row, compare
from fastapi_kit.auth import Claims, Codec, Key

Decode = Callable[[], str]
RATIO = 1.0
"""What ours may cost, as a ratio to the library that computes for it."""


@dataclass(frozen=True, slots=True)
class Keys:
    """The keys of one algorithm, in the forms that libraries take."""

    algorithm: str
    key: Key
    signing: Any
    verifying: Any


@dataclass(frozen=True, slots=True)
class Decoding:
    """A contender that decodes the same token for each call."""

    decode: Decode

    async def batch(self, calls: int) -> Callable[[], Awaitable[None]]:
        """Nothing has to be prepared."""
        decode = self.decode

        async def run() -> None:
            for _ in range(calls):
                decode()

        return run


async def tokens(mode: Mode, say: Say) -> list[Row]:
    """Compare ours with each library, for each kind of key."""
    rows: list[Row] = []
    for keys in (_secret(), _pair("RS256", rsa.generate_private_key(65537, 2048)), _pair("ES256", _curve())):
        name = f"auth.verify.{keys.algorithm.lower()}"
        say(name)
        contenders = _contenders(keys)
        subjects = {who: it.decode() for who, it in contenders.items()}
        if set(subjects.values()) != {"7"}:
            raise AssertionError(f"{name}: {subjects}")
        rows += _rows(name, await _sampled(contenders, mode), mode)
    return rows


async def _sampled(contenders: Mapping[str, Decoding], mode: Mode) -> Mapping[str, Sequence[Sample]]:
    with frozen_heap():
        return await interleave(contenders, mode.pace)


def _rows(name: str, samples: Mapping[str, Sequence[Sample]], mode: Mode) -> list[Row]:
    goals = Goals(cpu=Goal(RATIO, mode.allowance))
    return [
        *compare(name, samples["ours"], "jose.jwt.decode", samples["jose"], goals),
        *compare(f"{name}.pyjwt", samples["ours by pyjwt"], "jwt.decode", samples["pyjwt"], goals),
    ]


def _contenders(keys: Keys) -> dict[str, Decoding]:
    codec, other = Codec(keys.key), Codec(keys.key, backend="pyjwt")
    now = datetime.now(UTC)
    token = codec.encode(Claims.issue("7", now=now, lifetime=timedelta(hours=1), scope=("read", "write")))
    verifying, algorithms = keys.verifying, [keys.algorithm]
    return {
        "ours": Decoding(lambda: codec.decode(token).sub),
        "jose": Decoding(lambda: cast("str", jose.decode(token, verifying, algorithms=algorithms)["sub"])),
        "ours by pyjwt": Decoding(lambda: other.decode(token).sub),
        "pyjwt": Decoding(lambda: cast("str", pyjwt.decode(token, verifying, algorithms=algorithms)["sub"])),
    }


def _secret() -> Keys:
    secret = "09d25e094faa6ca2556c818166b7a9563b93f7099f6f0f4caa6cf63b88e8d3e7"  # noqa: S105 - as long as tutorials' are
    return Keys("HS256", Key.hmac(secret), secret, secret)


def _curve() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def _pair(algorithm: Any, private: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) -> Keys:
    signing = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    verifying = private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return Keys(algorithm, Key.from_pem(signing, algorithm=algorithm), signing, verifying.decode())
