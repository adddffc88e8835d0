"""The algorithm: a leaky bucket as a meter, which is the generic cell rate algorithm (GCRA).

Theory of operation (ITU-T I.371, annex A). Each rule has a level. A request adds its cost, and time takes off what the
rule lets through, so that a full bucket is empty after one window. A request passes if its cost fits under the
capacity. So `limit` requests may come at once, and afterwards `limit` per window, evenly: there is no instant at which
a whole new window begins.

Levels are integers, in units in which both a request and a millisecond weigh a whole number: nothing is rounded, and
Lua's doubles, Python's integers and every process agree on each decision.
"""

from collections.abc import Sequence
from typing import NamedTuple

from fastapi_kit.ratelimit._rules import Rule, Rules


class Level(NamedTuple):
    """What is remembered of one key."""

    at: int
    """When, in milliseconds."""
    levels: tuple[int, ...]
    """How full each rule's bucket was then."""


class Decision(NamedTuple):
    """Whether a request may pass, and what is left afterwards."""

    allowed: bool
    rules: Rules
    levels: Sequence[int]
    """How full each rule's bucket is now; the cost is counted if it was allowed."""
    cost: int

    def remaining(self) -> list[int]:
        """Requests that each rule would let pass now."""
        return [(rule.capacity - level) // rule.weight for rule, level in zip(self.rules, self.levels, strict=True)]

    def resets(self) -> list[int]:
        """Whole seconds after which each rule's quota is whole again."""
        return [-(-empty_in(rule, level) // 1_000) for rule, level in zip(self.rules, self.levels, strict=True)]

    def retry_after(self) -> int | None:
        """Whole seconds after which the same request would pass; `None` if it never will, as its cost is too high."""
        longest = 0
        for rule, level in zip(self.rules, self.levels, strict=True):
            over = level + self.cost * rule.weight - rule.capacity
            if over > level:
                return None
            longest = max(longest, -(-over // (rule.drain * 1_000)))
        return longest


def spend(rules: Rules, known: Level | None, cost: int, now: int) -> tuple[Level, Decision]:
    """Count a request of this cost, if all rules let it pass; otherwise count it in none.

    Args:
        rules: The rules; the same for every call with one key.
        known: What the last call gave back.
        cost: 0 or more; 0 looks and changes nothing.
        now: Milliseconds on the clock of all calls. Where it goes back, time stands still.
    """
    levels = decayed(rules, known, now)
    after = tuple([level + cost * rule.weight for rule, level in zip(rules, levels, strict=True)])
    allowed = all(level <= rule.capacity for rule, level in zip(rules, after, strict=True))
    if allowed:
        levels = after
    at = now if known is None or now > known.at else known.at
    return Level(at, levels), Decision(allowed, rules, levels, cost)


def decayed(rules: Rules, known: Level | None, now: int) -> tuple[int, ...]:
    """How full the buckets are now."""
    if known is None:
        return (0,) * len(rules)
    elapsed = max(0, now - known.at)
    return tuple([max(0, level - elapsed * rule.drain) for rule, level in zip(rules, known.levels, strict=True)])


def empty_in(rule: Rule, level: int) -> int:
    """Milliseconds after which a bucket is empty."""
    return -(-level // rule.drain)
