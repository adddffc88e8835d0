"""All that is measured of authentication."""

from dataclasses import dataclass

from benchmarks._measure import Pace
from benchmarks._mode import QUICK_ALLOWANCE, Mode, Say
from benchmarks._report import Row

from ._logins import logins
from ._requests import requests
from ._tokens import tokens

QUICK = Mode(Pace(rounds=30, calls=50, seconds=6), QUICK_ALLOWANCE)
FULL = Mode(Pace(rounds=200, calls=100, seconds=60))


@dataclass(frozen=True, slots=True)
class Suite:
    """A run of the benchmark.

    Args:
        mode: How thoroughly to measure.
        rounds: How often twenty logins come at once.
    """

    mode: Mode
    rounds: int = 5

    async def run(self, say: Say) -> list[Row]:
        """Measure tokens, requests, then logins."""
        return [
            *await tokens(self.mode, say),
            *await requests(self.mode, say),
            *await logins(self.rounds, say),
        ]
