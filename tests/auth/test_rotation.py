"""The law of rotation: what is dropped of used tokens is never missed."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastapi_kit.auth import RefreshDigest, RefreshToken
from fastapi_kit.auth._rotation import use

NOW = datetime(2026, 1, 1, tzinfo=UTC)
SESSION = "s" * 22


def outcome_of(tokens: dict[str, datetime | None], token: str, now: datetime, grace: timedelta) -> str:
    """What a store says that remembers every token for ever; it notes the use in `tokens`."""
    used_at = tokens[token]
    if used_at is not None:
        return "repeated" if now - used_at < grace else "reused"
    tokens.update({each: now for each, at in tokens.items() if at is None})
    return "rotated"


@given(
    grace=st.integers(0, 3).map(lambda seconds: timedelta(seconds=seconds)),
    steps=st.lists(st.tuples(st.integers(0, 30), st.integers(0, 3)), max_size=40),
)
def test_what_is_dropped_is_never_missed(grace: timedelta, steps: list[tuple[int, int]]) -> None:
    """Whichever of its tokens come whenever, a session is renewed and ended as if all had been kept."""
    everything: dict[str, datetime | None] = {"0": None}
    kept: dict[str, datetime | None] = {"0": None}
    now = NOW
    for number, (which, seconds) in enumerate(steps, 1):
        now += timedelta(seconds=seconds)
        token = str(which % number)
        found = use(kept, "family", RefreshDigest(SESSION, "family", token), now=now, grace=grace)
        assert found.outcome == outcome_of(everything, token, now, grace)
        if found.outcome == "reused":
            return
        kept = {**found.kept, str(number): None}
        everything[str(number)] = None
        assert all(at is None or now - at < grace for at in kept.values())


@given(st.dictionaries(st.text("abc", min_size=1), st.none() | st.just(NOW)))
def test_what_was_never_issued_changes_nothing(tokens: dict[str, datetime | None]) -> None:
    """A stranger who knows the session's id has not its family."""
    stranger = RefreshDigest(SESSION, "other", "x")
    assert use(tokens, "family", stranger, now=NOW, grace=timedelta()) == ("unknown", {})


def test_a_token_is_what_it_was_made_as() -> None:
    """Read back, and recognised as one of its session; nothing of it is shown."""
    first = RefreshToken.new(SESSION)
    assert RefreshToken.parse(first.text) == first
    successor = first.successor()
    assert (successor.digest.session_id, successor.digest.family) == (SESSION, first.digest.family)
    assert successor.digest.token != first.digest.token
    assert RefreshToken.new(SESSION).digest.family != first.digest.family
    assert first.family not in repr(first)


@pytest.mark.parametrize("change", ["", "é", "\n", "..", " ", "xx"])
def test_what_looks_otherwise_is_no_token(change: str) -> None:
    """Longer, shorter, or with other characters."""
    assert RefreshToken.parse(RefreshToken.new(SESSION).text[:-1] + change) is None
