"""Password hashes by libpass, the maintained continuation of passlib, whose import name it keeps. Blocking.

Its functions raise at much of what people and databases hold: text with U+0000, 73 bytes for bcrypt, rows of another
program. Here each is an answer instead.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, Literal

try:
    from passlib.context import CryptContext
except ImportError as error:  # pragma: no cover
    raise ImportError("fastapi_kit.auth needs libpass: pip install 'fastapi-kit[auth]'") from error

Scheme = Literal["argon2", "bcrypt", "bcrypt_sha256", "pbkdf2_sha256", "pbkdf2_sha512"]
LEGACY: tuple[Scheme, ...] = ("bcrypt", "bcrypt_sha256", "pbkdf2_sha256", "pbkdf2_sha512")

LONGEST_PASSWORD = 4096
"""Bytes; a longer one is nobody's, and some schemes would work on it for long."""
_BCRYPT_BYTES = 72
_MEMORY = re.compile(r"[$,]m=(\d{1,9})[,$]")
_ROUNDS: Mapping[str, tuple[re.Pattern[str], int]] = {
    "argon2": (re.compile(r"[$,]t=(\d{1,9})[,$]"), 32),
    "bcrypt": (re.compile(r"^\$2[a-z]?\$(\d\d)\$"), 16),
    "bcrypt_sha256": (re.compile(r"(?:,r=|,2[a-z],)(\d{1,2})\$"), 16),
    "pbkdf2_sha256": (re.compile(r"^\$pbkdf2-sha256\$(\d{1,9})\$"), 5_000_000),
    "pbkdf2_sha512": (re.compile(r"^\$pbkdf2-sha512\$(\d{1,9})\$"), 5_000_000),
}
"""Where a row says its cost, and what is more than anybody waits for."""


@dataclass(frozen=True, slots=True)
class Argon2:
    """The cost of argon2id, by default the least that OWASP's Password Storage Cheat Sheet names.

    Args:
        memory_kib: Memory of one hash, in KiB.
        time_cost: Passes over it.
        parallelism: Lanes; more than one asks for as many threads.
    """

    memory_kib: int = 19_456
    time_cost: int = 2
    parallelism: int = 1


class Match(Enum):
    """What became of a comparison."""

    YES = "yes"
    NO = "no"
    UNREADABLE = "unreadable"


class Hashes:
    """Makes and compares hashes; safe to call from several threads.

    Args:
        argon2: The cost of new hashes.
        legacy: Further schemes whose hashes are compared.
    """

    def __init__(self, argon2: Argon2, legacy: tuple[Scheme, ...]) -> None:
        settings: dict[str, Any] = {
            "argon2__type": "ID",
            "argon2__memory_cost": argon2.memory_kib,
            "argon2__time_cost": argon2.time_cost,
            "argon2__parallelism": argon2.parallelism,
        }
        self._context: Any = CryptContext(schemes=["argon2", *legacy], deprecated="auto", **settings)
        self._context.needs_update(_nobodys(argon2))  # has it load what it loads late, before threads ask
        self.argon2 = argon2
        self.schemes: tuple[Scheme, ...] = ("argon2", *legacy)
        self.nobodys = _nobodys(argon2)
        """A hash of no password, whose comparison costs as much as that of one."""

    def hash(self, password: str) -> str:
        """A hash with new salt, in the current scheme.

        Raises:
            ValueError: The password is longer than `match` compares.
        """
        secret = _secret(password)
        if len(secret) > LONGEST_PASSWORD:
            raise ValueError(f"Passwords have at most {LONGEST_PASSWORD} bytes: ask a PasswordPolicy first.")
        hashed: str = self._context.hash(secret)
        return hashed

    def match(self, password: str, stored: str) -> Match:
        """Compare, and never raise."""
        scheme = self._scheme(stored)
        if scheme is None or not _is_affordable(scheme, stored):
            return Match.UNREADABLE
        secret = _secret(password)
        if len(secret) > LONGEST_PASSWORD:
            return Match.NO
        if scheme == "bcrypt":
            secret = secret[:_BCRYPT_BYTES]  # as the row was made, by a bcrypt before 5.0
        try:
            return Match.YES if self._context.verify(secret, stored) else Match.NO
        except (ValueError, TypeError):
            return Match.NO if b"\0" in secret else Match.UNREADABLE

    def is_outdated(self, stored: str) -> bool:
        """Whether a hash is of another scheme or cost than new ones."""
        return bool(self._context.needs_update(stored))

    def memory_kib(self, stored: str) -> int:
        """The memory that a comparison takes."""
        found = _MEMORY.search(stored) if stored.startswith("$argon2") else None
        return int(found[1]) if found else 0

    def _scheme(self, stored: str) -> str | None:
        if not stored.isascii():
            return None
        scheme: str | None = self._context.identify(stored)
        return scheme


def sample(scheme: Scheme, bcrypt_rounds: int) -> str:
    """A hash of no password whose comparison costs what is usual in this scheme."""
    salt, digest = "." * 21 + "u", "." * 31
    if scheme == "bcrypt":
        return f"$2b${bcrypt_rounds:02}${salt}{digest}"
    if scheme == "bcrypt_sha256":
        return f"$bcrypt-sha256$v=2,t=2b,r={bcrypt_rounds}${salt}${digest}"
    if scheme == "pbkdf2_sha256":
        return f"$pbkdf2-sha256$600000${'.' * 22}${'.' * 43}"
    if scheme == "pbkdf2_sha512":
        return f"$pbkdf2-sha512$210000${'.' * 22}${'.' * 86}"
    return _nobodys(Argon2())


def _nobodys(argon2: Argon2) -> str:
    cost = f"m={argon2.memory_kib},t={argon2.time_cost},p={argon2.parallelism}"
    return f"$argon2id$v=19${cost}${'A' * 22}${'A' * 43}"


def _secret(password: str) -> bytes:
    return password.encode("utf-8", "surrogatepass")


def _is_affordable(scheme: str, stored: str) -> bool:
    pattern, most = _ROUNDS[scheme]
    found = pattern.search(stored)
    return found is None or int(found[1]) <= most
