"""The fields of draft-ietf-httpapi-ratelimit-headers (10), as structured fields (RFC 9651).

    RateLimit-Policy: "100/minute";q=100;w=60
    RateLimit: "100/minute";r=42;t=35

`q` requests in `w` seconds; `r` of them are left, and in `t` seconds there will be `q` again.
"""

from collections.abc import Sequence
from typing import NamedTuple

from fastapi_kit.ratelimit._meter import Decision
from fastapi_kit.ratelimit._rules import Rules

Fields = tuple[str, str]
"""The values of `RateLimit-Policy` and `RateLimit`."""


class Note(NamedTuple):
    """A decision that the answer tells of."""

    names: Sequence[str]
    decision: Decision

    def fields(self) -> Fields:
        """What the fields say of it."""
        decision = self.decision
        policies = [
            f"{name};q={rule.limit};w={rule.window}" for name, rule in zip(self.names, decision.rules, strict=True)
        ]
        left = [
            f"{name};r={remaining};t={reset}"
            for name, remaining, reset in zip(self.names, decision.remaining(), decision.resets(), strict=True)
        ]
        return ", ".join(policies), ", ".join(left)


def names_of(rules: Rules, name: str | None) -> list[str]:
    """What each rule is called in the fields: by its text, and by the limit's name if that has one."""
    if name is None:
        return [_quoted(str(rule)) for rule in rules]
    return [_quoted(name)] if len(rules) == 1 else [_quoted(f"{name} {rule}") for rule in rules]


def joined(notes: Sequence[Note]) -> Fields:
    """The fields of several limits."""
    if len(notes) == 1:
        return notes[0].fields()
    policies, left = zip(*[note.fields() for note in notes], strict=True)
    return ", ".join(policies), ", ".join(left)


def _quoted(text: str) -> str:
    """A string of structured fields: printable ASCII."""
    plain = text.encode("ascii", "replace").decode()
    escaped = plain.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
