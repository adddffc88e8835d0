"""The circuit breaker, as a state machine that is told what time it is.

Theory of operation. `closed`: everything passes. The first failure opens it. `open`: nothing passes, so nobody waits
for a server that does not answer. After the cool-down the next question makes it `half-open`: one probe may ask the
server, while everything else is still turned away. The probe's success closes it, its failure opens it anew.

A failure is news only if nothing has succeeded since the attempt began: where others are answered meanwhile, the
server is alive, and this one command or this process was too slow.
"""

import math
from typing import Literal

BreakerState = Literal["closed", "open", "half-open"]

Verdict = Literal["pass", "refuse", "probe"]
"""What to do with an attempt: let it through, turn it away, or turn it away and send a probe."""


class Breaker:
    """Decides whether a server is worth asking.

    Times are seconds on one clock that never goes back.

    Args:
        cooldown: Seconds that an open breaker turns everything away before it lets a probe pass.

    Raises:
        ValueError: The cool-down is not above 0.
    """

    def __init__(self, cooldown: float) -> None:
        if not cooldown > 0:
            raise ValueError(f"cooldown={cooldown!r}: a number of seconds above 0, such as 1.0")
        self.state: BreakerState = "closed"
        self._cooldown = cooldown
        self._cooled_at = -math.inf
        self._succeeded_at = -math.inf

    def ask(self, now: float) -> Verdict:
        """Whether an attempt may be made now; after `probe`, tell how that went: `succeed` or `fail_probe`."""
        if self.state == "closed":
            return "pass"
        if self.state == "open" and now >= self._cooled_at:
            self.state = "half-open"
            return "probe"
        return "refuse"

    def succeed(self, now: float) -> bool:
        """The server has answered; returns whether that closed the breaker."""
        closes = self.state != "closed"
        self.state = "closed"
        self._succeeded_at = now
        return closes

    def fail(self, began: float, now: float) -> bool:
        """An attempt that began then has failed; returns whether that opened the breaker."""
        if self.state != "closed" or self._succeeded_at > began:
            return False
        self._open(now)
        return True

    def fail_probe(self, now: float) -> None:
        """The probe has failed, or was given up; unless something else has closed the breaker, the next one waits."""
        if self.state == "half-open":
            self._open(now)

    def _open(self, now: float) -> None:
        self.state = "open"
        self._cooled_at = now + self._cooldown
