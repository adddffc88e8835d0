"""Rules: the notation, what it means, and what is refused."""

import limits
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastapi_kit.ratelimit import Rule, parse_rules

UNITS = ["second", "minute", "hour", "day", "month", "year"]

RULES = st.builds(
    "{}{}{}{}{}".format,
    st.integers(1, 1_000),
    st.sampled_from(["/", " per ", " / "]),
    st.sampled_from(["", "1 ", "2 ", "12 "]),
    st.sampled_from([*UNITS, "MINUTE", "Hour"]),
    st.sampled_from(["", "s"]),
)


@given(st.lists(RULES, min_size=1, max_size=3), st.sampled_from([";", ", ", " | "]))
def test_the_notation_is_that_of_limits(rules: list[str], separator: str) -> None:
    """Whatever `limits` reads, we read as the same numbers of requests and seconds."""
    text = separator.join(rules)
    theirs = limits.parse_many(text)
    assert [(rule.limit, rule.window) for rule in parse_rules(text)] == [
        (item.amount, item.get_expiry()) for item in theirs
    ]


@pytest.mark.parametrize("text", ["", "5", "5/", "/minute", "5/fortnight", "5 minute", "-1/minute", "5/minute;", "5/0"])
def test_refuses_what_is_no_rule(text: str) -> None:
    """The message shows how it is written."""
    with pytest.raises(ValueError, match="5/minute"):
        parse_rules(text)


@pytest.mark.parametrize(("limit", "window"), [(0, 60), (1, 0)])
def test_refuses_numbers_below_one(limit: int, window: int) -> None:
    """A limit that lets nothing pass is a route that is not there."""
    with pytest.raises(ValueError, match="1 or more"):
        Rule(limit, window)


def test_refuses_what_cannot_be_exact() -> None:
    """A rule whose levels would be rounded in Lua says so; a rounder one of the same size is taken."""
    with pytest.raises(ValueError, match="exactly"):
        parse_rules("999983/year")
    assert parse_rules("1000000/year")[0].limit == 1_000_000


@given(RULES)
def test_a_rule_is_written_as_it_is_read(text: str) -> None:
    """The text of a rule gives the same rule."""
    [rule] = parse_rules(text)
    assert parse_rules(str(rule)) == (rule,)
