"""The circuit breaker, without a server and without a clock."""

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from fastapi_kit.redis import Breaker


def test_the_first_failure_opens_it() -> None:
    """A server that does not answer is not asked again until the cool-down is over."""
    breaker = Breaker(cooldown=1.0)
    assert breaker.ask(10.0) == "pass"
    assert breaker.fail(began=10.0, now=10.5)
    assert [breaker.ask(now) for now in (10.5, 11.0, 11.49)] == ["refuse"] * 3


def test_one_probe_decides() -> None:
    """After the cool-down one probe goes out while all others are turned away; its success lets everybody pass."""
    breaker = Breaker(cooldown=1.0)
    breaker.fail(began=0.0, now=0.5)
    assert [breaker.ask(now) for now in (1.5, 1.6, 9.0)] == ["probe", "refuse", "refuse"]
    assert breaker.state == "half-open"
    assert breaker.succeed(9.1)
    assert breaker.ask(9.1) == "pass"


def test_a_failed_probe_begins_the_cooldown_anew() -> None:
    """The next probe is a whole cool-down away from the failure of the last."""
    breaker = Breaker(cooldown=1.0)
    breaker.fail(began=0.0, now=0.0)
    assert breaker.ask(1.0) == "probe"
    breaker.fail_probe(1.5)
    assert [breaker.ask(now) for now in (1.5, 2.4, 2.5)] == ["refuse", "refuse", "probe"]


def test_a_late_failure_does_not_end_the_probe() -> None:
    """A command from before the outage that fails while the probe is out brings no second probe."""
    breaker = Breaker(cooldown=1.0)
    breaker.fail(began=0.0, now=0.1)
    assert breaker.ask(1.1) == "probe"
    breaker.fail(began=0.0, now=1.2)
    assert [breaker.ask(now) for now in (1.3, 2.5)] == ["refuse", "refuse"]


def test_an_answer_to_another_outweighs_the_probe() -> None:
    """A probe that fails after something was answered leaves the breaker closed."""
    breaker = Breaker(cooldown=1.0)
    breaker.fail(began=0.0, now=0.1)
    assert breaker.ask(1.1) == "probe"
    breaker.succeed(1.2)
    breaker.fail_probe(1.6)
    assert breaker.ask(1.6) == "pass"


def test_a_slow_command_among_answered_ones_is_no_news() -> None:
    """A time-out of a command that began before the last answer tells of that command, not of the server."""
    breaker = Breaker(cooldown=1.0)
    breaker.succeed(0.3)
    assert not breaker.fail(began=0.0, now=0.5)
    assert breaker.ask(0.5) == "pass"
    assert breaker.fail(began=0.4, now=0.9)


def test_late_failures_do_not_prolong_the_outage() -> None:
    """Commands that were under way when it opened fail one after the other, and the probe is not put off by them."""
    breaker = Breaker(cooldown=1.0)
    breaker.fail(began=0.0, now=0.5)
    breaker.fail(began=0.4, now=0.9)
    assert breaker.ask(1.5) == "probe"


def test_refuses_no_cooldown() -> None:
    """Without a cool-down every request would be a probe."""
    with pytest.raises(ValueError, match="above 0"):
        Breaker(0)


class Outages(RuleBasedStateMachine):
    """Whatever happens in whatever order, a server that is down is asked by one probe per cool-down and no other."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.breaker = Breaker(cooldown=1.0)
        self.under_way: list[float] = []
        self.probe: float | None = None
        self.failed_at: float | None = None

    @rule(seconds=st.sampled_from([0.1, 0.4, 1.0]))
    def wait(self, seconds: float) -> None:
        """Time goes by."""
        self.now += seconds

    @rule()
    def ask(self) -> None:
        """A command comes."""
        verdict = self.breaker.ask(self.now)
        if verdict == "pass":
            assert self.failed_at is None
            self.under_way.append(self.now)
        elif verdict == "probe":
            assert self.probe is None
            assert self.failed_at is not None
            assert self.now >= self.failed_at + 1.0 - 1e-9
            self.probe = self.now
        else:
            assert self.failed_at is not None

    @precondition(lambda self: self.under_way)
    @rule()
    def command_fails(self) -> None:
        """A command that was under way gets no answer."""
        if self.breaker.fail(self.under_way.pop(0), self.now):
            self.failed_at = self.now

    @precondition(lambda self: self.under_way)
    @rule()
    def command_succeeds(self) -> None:
        """A command that was under way is answered: the server lives."""
        self.under_way.pop(0)
        self.breaker.succeed(self.now)
        self.failed_at = None
        self.probe = None

    @precondition(lambda self: self.probe is not None)
    @rule(answered=st.booleans())
    def probe_ends(self, answered: bool) -> None:
        """The probe finds out how the server is."""
        assert self.probe is not None
        if answered:
            self.breaker.succeed(self.now)
            self.failed_at = None
        else:
            self.breaker.fail_probe(self.now)
            self.failed_at = self.now
        self.probe = None

    @invariant()
    def open_while_down(self) -> None:
        """It lets commands pass exactly while no failure stands."""
        assert (self.breaker.state == "closed") == (self.failed_at is None)


TestOutages = Outages.TestCase
