"""Rules such as `5/minute`, in the notation of the `limits` package.

https://limits.readthedocs.io/en/stable/quickstart.html#rate-limit-string-notation
"""

import re
from dataclasses import dataclass, field
from functools import lru_cache
from math import gcd

_SECONDS = {
    "second": 1,
    "minute": 60,
    "hour": 3_600,
    "day": 86_400,
    "month": 2_592_000,  # 30 days
    "year": 31_104_000,  # 12 of these months
}
_RULE = re.compile(r"\s*([0-9]+)\s*(?:/|\bper\b)\s*([0-9]+)?\s*([a-z]+?)s?\s*", re.IGNORECASE | re.ASCII)
_SEPARATOR = re.compile(r"[,;|]")
_EXACT = 2**53
"""Integers below it are exact in Lua, whose numbers are doubles."""


@dataclass(frozen=True, slots=True)
class Rule:
    """So many requests in so many seconds.

    Attributes:
        limit: Requests that may come at once; 1 or more.
        window: Seconds after which all of them may come again; 1 or more.

    Raises:
        ValueError: One of them is below 1, or the rule is too large to be counted exactly.
    """

    limit: int
    window: int
    drain: int = field(init=False, repr=False, compare=False)
    """What a millisecond takes off the level."""
    weight: int = field(init=False, repr=False, compare=False)
    """What a request adds to the level."""
    capacity: int = field(init=False, repr=False, compare=False)
    """The level that is full."""

    def __post_init__(self) -> None:
        if self.limit < 1 or self.window < 1:
            raise ValueError(f"{self.limit} requests in {self.window} seconds: both have to be 1 or more")
        common = gcd(self.limit, self.window * 1_000)
        object.__setattr__(self, "drain", self.limit // common)
        object.__setattr__(self, "weight", self.window * 1_000 // common)
        object.__setattr__(self, "capacity", self.limit * self.weight)
        if self.capacity * 2 > _EXACT:
            raise ValueError(f"{self}: too large to be counted exactly; take a shorter window or a round number")

    def remaining(self, level: int) -> int:
        """Requests that would pass now."""
        return (self.capacity - level) // self.weight

    def reset(self, level: int) -> int:
        """Whole seconds after which the quota is whole again."""
        return -(-level // (self.drain * 1_000))

    def empty_in(self, level: int) -> int:
        """Milliseconds after which the bucket is empty."""
        return -(-level // self.drain)

    def __str__(self) -> str:
        for name, seconds in reversed(_SECONDS.items()):
            if self.window % seconds == 0:
                multiple = self.window // seconds
                return f"{self.limit}/{name}" if multiple == 1 else f"{self.limit}/{multiple} {name}s"
        raise AssertionError("every window is a number of seconds")


Rules = tuple[Rule, ...]
"""Rules that hold together: a request passes if all of them let it, and then counts in each."""


@lru_cache(maxsize=1_024)  # also asked by the slowapi adapter, for limits that are made in each request
def parse_rules(text: str) -> Rules:
    """Read `5/minute`, `10 per 2 hours`, or several of them joined by `;`, `,` or `|`.

    A month has 30 days and a year 360, as in `limits`.

    Raises:
        ValueError: The text is not of this form; the message shows one that is.
    """
    return tuple(map(_rule, _SEPARATOR.split(text)))


def _rule(text: str) -> Rule:
    found = _RULE.fullmatch(text)
    seconds = _SECONDS.get(found[3].lower()) if found else None
    if found is None or seconds is None:
        raise ValueError(
            f"{text!r} is no rate limit: write '5/minute', '100 per 2 hours' or '10/second;1000/day', with "
            f"{', '.join(_SECONDS)} as unit"
        )
    return Rule(int(found[1]), int(found[2] or 1) * seconds)


@lru_cache(maxsize=1_024)
def share_of(rules: Rules, workers: int) -> Rules:
    """The part of each rule that one of several processes may use up, at least one request."""
    return rules if workers == 1 else tuple(Rule(max(1, rule.limit // workers), rule.window) for rule in rules)
