"""The fields that an answer gets: slowapi's, and those of the IETF's draft."""

import time
from collections.abc import Iterable, Sequence

from fastapi_kit.ratelimit._headers import Note, as_text, joined
from fastapi_kit.ratelimit._meter import Decision


def fields_of(notes: Sequence[Note], enabled: bool) -> dict[str, str]:
    """The fields of these decisions, by name; unless they are enabled there is `Retry-After` alone, on a refusal."""
    if not notes:
        return {}
    decision = notes[-1][1]
    fields: dict[str, str] = {}
    if enabled:
        fields |= as_text(joined(notes))
        remaining, reset, limit = min(quota for note in notes for quota in _quotas(note[1]))
        fields |= {
            "X-RateLimit-Limit": str(limit),
            "X-RateLimit-Remaining": str(remaining),
            "X-RateLimit-Reset": str(int(time.time()) + reset),
        }
    if not decision.allowed and (seconds := decision.retry_after()) is not None:
        fields["Retry-After"] = str(seconds)
    return fields


def _quotas(decision: Decision) -> Iterable[tuple[int, int, int]]:
    """What is left, when it is whole again, and what that is, of each rule."""
    limits = [rule.limit for rule in decision.rules]
    return zip(decision.remaining(), decision.resets(), limits, strict=True)
