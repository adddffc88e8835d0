"""How thorough a run is, and whom it tells how it goes."""

from collections.abc import Callable
from dataclasses import dataclass

from ._measure import Pace

Say = Callable[[str], None]
"""Tells a person how it goes."""

QUICK_ALLOWANCE = 1.15
"""A quick run is noisier than a full one: its ratios may pass the goal by this factor."""


@dataclass(frozen=True, slots=True)
class Mode:
    """How thoroughly to measure, and by what factor a goal may then be missed."""

    pace: Pace
    allowance: float = 1.0
