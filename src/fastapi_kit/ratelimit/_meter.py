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

from fastapi_kit.ratelimit._rules import Rules


class Decision(NamedTuple):
    """Whether a request may pass, and what is left afterwards."""

    allowed: bool
    rules: Rules
    levels: Sequence[int]
    """How full each rule's bucket is now; the cost is counted if it was allowed."""
    cost: int
    at: int = 0
    """When it was made, in milliseconds of the store's clock."""

    def remaining(self) -> list[int]:
        """Requests that each rule would let pass now."""
        return [rule.remaining(level) for rule, level in zip(self.rules, self.levels, strict=True)]

    def resets(self) -> list[int]:
        """Whole seconds after which each rule's quota is whole again."""
        return [rule.reset(level) for rule, level in zip(self.rules, self.levels, strict=True)]

    def empty_in(self) -> int:
        """Milliseconds after which all quotas are whole again."""
        return max([rule.empty_in(level) for rule, level in zip(self.rules, self.levels, strict=True)])

    def retry_after(self) -> int | None:
        """Whole seconds after which the same request would pass; `None` if it never will, as its cost is too high."""
        longest = 0
        for rule, level in zip(self.rules, self.levels, strict=True):
            over = level + self.cost * rule.weight - rule.capacity
            if over > level:
                return None
            longest = max(longest, -(-over // (rule.drain * 1_000)))
        return longest


def spend(rules: Rules, known: Decision | None, cost: int, now: int) -> Decision:
    """Count a request of this cost, if all rules let it pass; otherwise count it in none.

    Args:
        rules: The rules; the same for every call with one key.
        known: The last decision; one that let nothing pass may be forgotten.
        cost: 0 or more; 0 looks and changes nothing.
        now: Milliseconds on the clock of all calls. Where it goes back, time stands still.
    """
    if len(rules) == 1:
        return _spend_in_one(rules, known, cost, now)
    levels: Sequence[int] = (0,) * len(rules)
    if known is not None:
        now = max(now, known.at)
        elapsed = now - known.at
        levels = [max(0, level - elapsed * rule.drain) for rule, level in zip(rules, known.levels, strict=True)]
    after = [level + cost * rule.weight for rule, level in zip(rules, levels, strict=True)]
    allowed = all(level <= rule.capacity for rule, level in zip(rules, after, strict=True))
    return Decision(allowed, rules, after if allowed else levels, cost, now)


def _spend_in_one(rules: Rules, known: Decision | None, cost: int, now: int) -> Decision:
    """The same for a single rule, as most limits have, in a quarter of the time."""
    [rule] = rules
    level = 0
    if known is not None:
        [level] = known.levels
        now = max(now, known.at)
        leaked = (now - known.at) * rule.drain
        level = level - leaked if leaked < level else 0
    after = level + cost * rule.weight
    allowed = after <= rule.capacity
    return Decision(allowed, rules, (after if allowed else level,), cost, now)
