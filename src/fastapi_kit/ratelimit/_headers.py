"""The fields of draft-ietf-httpapi-ratelimit-headers (10), as structured fields (RFC 9651).

    RateLimit-Policy: "100/minute";q=100;w=60
    RateLimit: "100/minute";r=42;t=35

`q` requests in `w` seconds; `r` of them are left, and in `t` seconds there will be `q` again.
"""

from collections.abc import Sequence

from fastapi_kit.ratelimit._meter import Decision
from fastapi_kit.ratelimit._rules import Rule, Rules

Fields = tuple[tuple[bytes, bytes], tuple[bytes, bytes]]
"""`RateLimit-Policy` and `RateLimit`, as ASGI has header fields."""

_POLICY, _LEFT = b"ratelimit-policy", b"ratelimit"


class Spelling:
    """How a limit's rules are told of: by their text, and by the limit's name if it has one.

    Args:
        rules: The rules.
        name: The limit's name.
    """

    __slots__ = ("_names", "_policy", "_rules")

    def __init__(self, rules: Rules, name: str | None = None) -> None:
        self._rules = rules
        self._names = _names(rules, name)
        self._policy = (_POLICY, b", ".join(map(_policy, self._names, rules)))

    def fields(self, decision: Decision) -> Fields:
        """What the fields say of a decision; its rules may be shares of the limit's."""
        names, rules, levels = self._names, decision.rules, decision.levels
        policy = self._policy if rules is self._rules else (_POLICY, b", ".join(map(_policy, names, rules)))
        if len(rules) == 1:  # as most are
            return policy, (_LEFT, _left(names[0], rules[0], levels[0]))
        return policy, (_LEFT, b", ".join(map(_left, names, rules, levels)))


Note = tuple[Spelling, Decision]
"""What the answer tells of: a limit and its decision."""


def joined(notes: Sequence[Note]) -> Fields:
    """The fields of one or several limits."""
    if len(notes) == 1:
        [(spelling, decision)] = notes
        return spelling.fields(decision)
    told = [spelling.fields(decision) for spelling, decision in notes]
    policy, left = (b", ".join([text for _, text in field]) for field in zip(*told, strict=True))
    return (_POLICY, policy), (_LEFT, left)


def as_text(fields: Fields) -> dict[str, str]:
    """The same for a response's headers."""
    return {name: text.decode() for name, (_, text) in zip(("RateLimit-Policy", "RateLimit"), fields, strict=True)}


def _names(rules: Rules, name: str | None) -> list[bytes]:
    if name is None:
        return [_quoted(str(rule)) for rule in rules]
    return [_quoted(name)] if len(rules) == 1 else [_quoted(f"{name} {rule}") for rule in rules]


def _policy(name: bytes, rule: Rule) -> bytes:
    return b"%b;q=%d;w=%d" % (name, rule.limit, rule.window)


def _left(name: bytes, rule: Rule, level: int) -> bytes:
    return b"%b;r=%d;t=%d" % (name, rule.remaining(level), rule.reset(level))


def _quoted(text: str) -> bytes:
    """A string of structured fields: printable ASCII."""
    plain = text.encode("ascii", "replace").replace(b"\\", b"\\\\").replace(b'"', b'\\"')
    return b'"%b"' % plain
